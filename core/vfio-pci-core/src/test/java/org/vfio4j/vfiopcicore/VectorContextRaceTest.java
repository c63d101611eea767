package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/** Masks against firing threads: every interrupt is signalled or pending, and none twice. */
class VectorContextRaceTest {

    private static final int ROUNDS = 10_000;

    /**
     * One interrupt a round, fired while another thread masks and unmasks: after the last unmask of the round, exactly one
     * signal has come.
     */
    @Test
    void oneInterruptIsOneSignalHoweverMasksMove() throws Exception {
        VectorContext vectors = new VectorContext(1, true);
        vectors.enable();
        Fd fd = EventFd.create();
        vectors.assign(0, 1, List.of(fd));
        Rounds rounds = new Rounds();
        Thread firing = Thread.ofPlatform().daemon().start(() -> {
            for (int i = 1; i <= ROUNDS; i++) {
                rounds.awaitStart(i);
                vectors.fire(0);
                rounds.done = i;
            }
        });
        for (int i = 1; i <= ROUNDS; i++) {
            vectors.setMasked(0, true);
            rounds.start = i;
            vectors.setMasked(0, false);
            rounds.awaitDone(i);
            assertThat(EventFd.drain(fd.value())).as("round %d", i).isEqualTo(1);
            assertThat(vectors.pendingWord(0)).isZero();
        }
        firing.join();
        fd.close();
    }

    /** The same for a descriptor that is taken away and given back. */
    @Test
    void noInterruptIsLostBetweenTwoDescriptors() throws Exception {
        VectorContext vectors = new VectorContext(1, true);
        vectors.enable();
        Fd fd = EventFd.create();
        Rounds rounds = new Rounds();
        Thread firing = Thread.ofPlatform().daemon().start(() -> {
            for (int i = 1; i <= ROUNDS; i++) {
                rounds.awaitStart(i);
                vectors.fire(0);
                rounds.done = i;
            }
        });
        for (int i = 1; i <= ROUNDS; i++) {
            vectors.assign(0, 1, List.of());
            rounds.start = i;
            vectors.assign(0, 1, List.of(fd));
            rounds.awaitDone(i);
            assertThat(EventFd.drain(fd.value())).as("round %d", i).isEqualTo(1);
        }
        firing.join();
        fd.close();
    }

    private static final class Rounds {
        volatile int start;
        volatile int done;

        void awaitStart(int round) {
            while (start < round) {
                Thread.onSpinWait();
            }
        }

        void awaitDone(int round) {
            while (done < round) {
                Thread.onSpinWait();
            }
        }
    }
}
