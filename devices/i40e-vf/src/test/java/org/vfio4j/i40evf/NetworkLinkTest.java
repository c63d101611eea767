package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.avfdriver.AvfDriver.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.RawMemory;

/** Who gets what, and who waits for whom. */
class NetworkLinkTest {

    private static final byte[] EVERYBODY = {-1, -1, -1, -1, -1, -1};

    private final NetworkLink link = new NetworkLink();
    private final NetworkPort secondPort;
    private final Nic first = new Nic(link.addPort(), 1);
    private final Nic second;
    private final Nic third;

    NetworkLinkTest() {
        secondPort = link.addPort();
        second = new Nic(secondPort, 2);
        third = new Nic(link.addPort(), 3);
    }

    @BeforeEach
    void start() {
        first.start();
        second.start();
        third.start();
    }

    @AfterEach
    void close() {
        first.close();
        second.close();
        third.close();
    }

    @Test
    void aLinkHasNoMorePortsThanItCan() {
        for (int i = 3; i < NetworkLink.MAX_PORTS; i++) {
            link.addPort();
        }
        assertThatThrownBy(link::addPort)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOSPC));
    }

    @Test
    void whatIsSentToNobodyIsLost() {
        third.function.reset();
        for (int i = 0; i < 2 * Nic.RING; i++) {
            first.tx.send(first.frameTo(third, 60, i));
        }
        first.tx.awaitSent();
        assertThat(first.vf.statistics().txErrors()).isZero();
    }

    @Test
    void everybodyGetsWhatIsForEverybodyExceptItsSender() {
        byte[] frame = first.frameTo(second, 60, 1);
        System.arraycopy(EVERYBODY, 0, frame, 0, 6);
        first.tx.send(frame);
        assertThat(second.rx.receive()).isEqualTo(frame);
        assertThat(third.rx.receive()).isEqualTo(frame);
        first.settle();
        assertThat(first.rx.hasFrame()).isFalse();
    }

    @Test
    void aQuiescedReceiverHoldsUpItsSendersAndLosesNothing() {
        second.vf.quiesce();
        for (int i = 0; i < Nic.RING - 1; i++) {
            assertThat(first.tx.trySend(first.frameTo(second, 60, i))).isTrue();
        }
        first.settle();
        assertThat(first.tx.pending()).isEqualTo(Nic.RING - 1);
        second.vf.resume();
        for (int i = 0; i < Nic.RING - 1; i++) {
            assertThat(second.rx.receive()).isEqualTo(first.frameTo(second, 60, i));
        }
        first.tx.awaitSent();
    }

    @Test
    void aQuiescedReceiverHoldsUpNobodyWhoSendsToOthers() {
        second.vf.quiesce();
        first.tx.send(first.frameTo(third, 60, 1));
        third.rx.receive();
        third.tx.send(third.frameTo(first, 60, 2));
        assertThat(first.rx.receive()).isEqualTo(third.frameTo(first, 60, 2));
    }

    @Test
    void aQuiescedSenderSendsNothing() {
        first.vf.quiesce();
        first.tx.trySend(first.frameTo(second, 60, 1));
        second.settle();
        assertThat(first.tx.pending()).isEqualTo(1);
        first.vf.resume();
        assertThat(second.rx.receive()).isEqualTo(first.frameTo(second, 60, 1));
    }

    @Test
    void aReceiverThatTakesNothingHoldsItsSendersUpForAMomentOnly() {
        // Its memory's owner answers that it has no time, for ever.
        RawMemory.putLong(second.memory.host(second.rx.iova()), second.memory.remote(2048));
        second.memory.failRemote(-Errno.ECANCELED);
        int frames = 2 * FrameRing.BYTES / 1514;
        for (int i = 0; i < frames; i++) {
            first.tx.send(first.frameTo(second, 1514, i));
        }
        first.tx.awaitSent();
        assertThat(first.vf.statistics().txDiscards()).isPositive().isLessThan(frames);
        first.tx.send(first.frameTo(third, 60, 1));
        assertThat(third.rx.receive()).isEqualTo(first.frameTo(third, 60, 1));
        second.memory.failRemote(0);
        await("the first frame", second.rx::hasFrame);
    }

    @Test
    void aPortThatIsInUseIsNotTakenAway() {
        try (Nic thief = new Nic(secondPort, 4).start()) {
            first.tx.send(first.frameTo(second, 60, 1));
            assertThat(second.rx.receive()).isEqualTo(first.frameTo(second, 60, 1));
            assertThat(thief.tx.trySend(thief.frameTo(first, 60, 2))).isTrue();
            thief.settle();
            assertThat(thief.tx.pending()).isEqualTo(1);
            second.function.reset();
            assertThat(first.rx.receive()).isEqualTo(thief.frameTo(first, 60, 2));
        }
    }

    @Test
    void aFunctionWithoutBusMasteringIsAsIfUnplugged() {
        second.function.configWrite(4, 2, 2);
        for (int i = 0; i < Nic.RING + 1; i++) {
            first.tx.send(first.frameTo(second, 60, i));
        }
        first.tx.awaitSent();
        second.function.configWrite(4, 2, 6);
        second.settle();
        first.tx.send(first.frameTo(second, 60, 1000));
        assertThat(second.rx.receive()).isEqualTo(first.frameTo(second, 60, 1000));
    }
}
