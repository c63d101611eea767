package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SocketIoTest {

    private static final int[] NONE = {};

    private final OpenFds fds = new OpenFds();
    private final UnixSocket.Pair pair = UnixSocket.pair();
    private final int near = pair.first().value();
    private final int far = pair.second().value();
    private final SocketIo sender = new SocketIo(1);
    private final SocketIo receiver = new SocketIo(4);
    private final MemorySegment out = Arena.ofAuto().allocate(1 << 20);
    private final MemorySegment in = Arena.ofAuto().allocate(1 << 20);

    @AfterEach
    void leavesNoDescriptor() {
        receiver.close();
        sender.close();
        pair.first().close();
        pair.second().close();
        fds.assertNoneLeft();
    }

    @Test
    void refusesPiecesOutsideTheBuffer() {
        assertThatThrownBy(() -> receiver.recv(far, in, in.byteSize(), 1, 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> receiver.recv(far, in, -1, 1, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> sender.send(near, out, 1, Long.MAX_VALUE, NONE, 0, 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> receiver.recvBytes(far, in, 1, in.byteSize(), 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void refusesMoreRoomForDescriptorsThanTheKernelHas() {
        assertThatThrownBy(() -> new SocketIo(254)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new SocketIo(0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void sendingADescriptorThatIsClosedFails() {
        assertThat(sender.send(near, out, 0, 1, new int[] {9999}, 1, 0)).isEqualTo(-EBADF);
    }

    @Test
    void sendingToNobodyFailsWithoutASignal() {
        pair.second().close();
        assertThat(sender.send(near, out, 0, 1, NONE, 0, 0)).isEqualTo(-EPIPE);
    }

    @Test
    void theEndOfTheStreamIsZero() {
        pair.first().close();
        assertThat(receiver.recv(far, in, 0, 16, 0)).isZero();
        assertThat(receiver.fdCount()).isZero();
    }

    @Test
    void bytesArriveWhereTheyShould() {
        out.set(ValueLayout.JAVA_LONG, 8, 0x1122334455667788L);
        assertThat(sender.send(near, out, 8, 8, NONE, 0, 0)).isEqualTo(8);
        assertThat(receiver.recv(far, in, 32, 64, 0)).isEqualTo(8);
        assertThat(in.get(ValueLayout.JAVA_LONG, 32)).isEqualTo(0x1122334455667788L);
        assertThat(in.get(ValueLayout.JAVA_LONG, 40)).isZero();
    }

    @Test
    void bytesAloneArriveWhereTheyShould() {
        out.set(ValueLayout.JAVA_LONG, 8, 0x1122334455667788L);
        assertThat(sender.send(near, out, 8, 8, NONE, 0, 0)).isEqualTo(8);
        assertThat(receiver.recvBytes(far, in, 32, 64, 0)).isEqualTo(8);
        assertThat(in.get(ValueLayout.JAVA_LONG, 32)).isEqualTo(0x1122334455667788L);
        assertThat(in.get(ValueLayout.JAVA_LONG, 40)).isZero();
        assertThat(receiver.recvBytes(far, in, 0, 64, SocketIo.MSG_DONTWAIT)).isEqualTo(-EAGAIN);
        pair.first().close();
        assertThat(receiver.recvBytes(far, in, 0, 64, 0)).isZero();
    }

    @Test
    void descriptorsThatNobodyExpectsAreClosed() {
        try (Fd event = EventFd.create()) {
            sender.send(near, out, 0, 1, new int[] {event.value()}, 1, 0);
            sender.send(near, out, 1, 1, NONE, 0, 0);
            OpenFds before = new OpenFds();
            assertThat(receiver.recvBytes(far, in, 0, 1, 0)).isOne();
            assertThat(receiver.fdCount()).isZero();
            assertThat(receiver.controlTruncated()).isFalse();
            before.assertNoneLeft();
            assertThat(receiver.recv(far, in, 0, 16, 0)).isOne();
            assertThat(receiver.fdCount()).isZero();
        }
    }

    @Test
    void twoPiecesAreOneMessage() {
        out.set(ValueLayout.JAVA_INT, 0, 1);
        out.set(ValueLayout.JAVA_INT, 100, 2);
        assertThat(sender.sendv(near, out, 4, out.asSlice(100), 4, 0)).isEqualTo(8);
        assertThat(receiver.recv(far, in, 0, 64, 0)).isEqualTo(8);
        assertThat(in.get(ValueLayout.JAVA_INT, 0)).isEqualTo(1);
        assertThat(in.get(ValueLayout.JAVA_INT, 4)).isEqualTo(2);
    }

    @Test
    void aFullSocketTakesAPart() {
        UnixSocket.setNonBlocking(pair.first(), true);
        long sent = sender.send(near, out, 0, out.byteSize(), NONE, 0, 0);
        assertThat(sent).isBetween(1L, out.byteSize() - 1);
        assertThat(sender.send(near, out, 0, out.byteSize(), NONE, 0, 0)).isEqualTo(-EAGAIN);
    }

    @Test
    void descriptorsOfAPartialSendGoWithItsFirstPart() {
        UnixSocket.setNonBlocking(pair.first(), true);
        try (Fd event = EventFd.create()) {
            long sent = sender.send(near, out, 0, out.byteSize(), new int[] {event.value()}, 1, 0);
            assertThat(sent).isLessThan(out.byteSize());
            receiver.recv(far, in, 0, 16, 0);
            assertThat(receiver.fdCount()).isOne();
            receiver.recv(far, in, 0, in.byteSize(), 0);
            assertThat(receiver.fdCount()).isZero();
        }
    }

    @Test
    void aDescriptorArrivesAsTheSameOpenFile() {
        try (Fd event = EventFd.create()) {
            sender.send(near, out, 0, 1, new int[] {event.value()}, 1, 0);
            receiver.recv(far, in, 0, 16, 0);
            assertThat(receiver.fdCount()).isOne();
            assertThat(receiver.controlTruncated()).isFalse();
            try (Fd received = receiver.takeFd(0)) {
                assertThat(received.value()).isNotEqualTo(event.value());
                EventFd.signal(received.value());
                assertThat(EventFd.drain(event.value())).isOne();
            }
        }
    }

    @Test
    void manyDescriptorsArriveInOrder() {
        SocketIo wide = new SocketIo(SocketIo.MAX_FDS);
        int[] same = new int[SocketIo.MAX_FDS];
        try (Fd event = EventFd.create();
                Fd last = EventFd.create()) {
            java.util.Arrays.fill(same, event.value());
            same[same.length - 1] = last.value();
            assertThat(sender.send(near, out, 0, 1, same, same.length, 0)).isOne();
            wide.recv(far, in, 0, 16, 0);
            assertThat(wide.fdCount()).isEqualTo(SocketIo.MAX_FDS);
            try (Fd received = wide.takeFd(same.length - 1)) {
                EventFd.signal(received.value());
            }
            assertThat(EventFd.drain(last.value())).isOne();
        }
        wide.close();
    }

    @Test
    void descriptorsWithoutRoomAreReportedAndTheOthersStayOurs() {
        try (Fd event = EventFd.create()) {
            int[] five = {event.value(), event.value(), event.value(), event.value(), event.value()};
            sender.send(near, out, 0, 1, five, 5, 0);
            assertThat(receiver.recv(far, in, 0, 16, 0)).isOne();
            assertThat(receiver.controlTruncated()).isTrue();
            assertThat(receiver.fdCount()).isEqualTo(4);
            sender.send(near, out, 0, 1, NONE, 0, 0);
            receiver.recv(far, in, 0, 16, 0);
            assertThat(receiver.controlTruncated()).isFalse();
        }
    }

    @Test
    void exactlyAsManyAsThereIsRoomForIsNotTruncated() {
        try (Fd event = EventFd.create()) {
            int[] four = {event.value(), event.value(), event.value(), event.value()};
            sender.send(near, out, 0, 1, four, 4, 0);
            receiver.recv(far, in, 0, 16, 0);
            assertThat(receiver.controlTruncated()).isFalse();
            assertThat(receiver.fdCount()).isEqualTo(4);
        }
    }

    @Test
    void theNextReceiveClosesWhatNobodyTook() {
        OpenFds before = new OpenFds();
        try (Fd event = EventFd.create()) {
            sender.send(near, out, 0, 1, new int[] {event.value(), event.value()}, 2, 0);
            receiver.recv(far, in, 0, 16, 0);
            receiver.takeFd(1).close();
            sender.send(near, out, 0, 1, NONE, 0, 0);
            receiver.recv(far, in, 0, 16, 0);
            assertThat(receiver.fdCount()).isZero();
        }
        before.assertNoneLeft();
    }
}
