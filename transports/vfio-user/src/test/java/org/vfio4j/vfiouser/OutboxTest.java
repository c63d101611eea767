package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.ENOBUFS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.UnixSocket;

/** What is kept for peers that do not read: all connections of a process share room for it. */
class OutboxTest {

    private static final int REQUEST = 1 << 20;

    private final MemorySegment memory = Arena.ofAuto().allocate(REQUEST);

    @Test
    void requestsOfOneThatDoesNotReadTakeNoMoreThanTheShareAndOthersGoOn() {
        UnixSocket.Pair stuck = UnixSocket.pair();
        UnixSocket.Pair fine = UnixSocket.pair();
        Outbox one = new Outbox(stuck.first());
        Outbox other = new Outbox(fine.first());
        try {
            int kept = 0;
            while (one.request(memory, REQUEST) == 0) {
                kept++;
                assertThat((long) kept * REQUEST).isLessThanOrEqualTo(Outbox.SHARED_BYTES + REQUEST);
            }
            assertThat(one.request(memory, REQUEST)).isEqualTo(-ENOBUFS);
            assertThat(one.request(memory, 32, memory, REQUEST)).isEqualTo(-ENOBUFS);
            assertThat(kept).as("all that one connection can ask for").isGreaterThanOrEqualTo(64);
            // What is begun is kept whole, whoever has the rest.
            assertThat(other.request(memory, REQUEST)).isZero();
            assertThat(other.isBacklogged()).isTrue();
            assertThat(receiveAll(other, fine)).isEqualTo(REQUEST);
            // Nothing of what was refused was sent.
            assertThat(receiveAll(one, stuck)).isEqualTo((long) kept * REQUEST);
            assertThat(one.request(memory, REQUEST)).isZero();
        } finally {
            one.close();
            other.close();
            for (UnixSocket.Pair pair : new UnixSocket.Pair[] {stuck, fine}) {
                pair.first().close();
                pair.second().close();
            }
        }
    }

    @Test
    void whatIsClosedGivesItsShareBack() {
        for (int i = 0; i < 3; i++) {
            UnixSocket.Pair pair = UnixSocket.pair();
            Outbox outbox = new Outbox(pair.first());
            int kept = 0;
            while (outbox.request(memory, REQUEST) == 0) {
                kept++;
            }
            assertThat(kept).isGreaterThanOrEqualTo(64);
            outbox.close();
            pair.first().close();
            pair.second().close();
        }
    }

    private static long receiveAll(Outbox outbox, UnixSocket.Pair pair) {
        long received = 0;
        MemorySegment buffer = Arena.ofAuto().allocate(REQUEST);
        try (SocketIo io = new SocketIo(1)) {
            long n = 1;
            while (n > 0 || outbox.isBacklogged()) {
                assertThat(outbox.flush()).isZero();
                n = io.recv(pair.second().value(), buffer, 0, REQUEST, SocketIo.MSG_DONTWAIT);
                received += Math.max(0, n);
            }
        }
        return received;
    }
}
