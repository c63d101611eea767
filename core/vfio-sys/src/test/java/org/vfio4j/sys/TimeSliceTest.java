package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How long the turns of threads are: sched_setattr(2). */
@Timeout(60)
class TimeSliceTest {

    private static final int CALLING_THREAD = 0;

    @Test
    void aThreadThatDoesNotExistIsESRCH() {
        assertThatThrownBy(() -> TimeSlice.set(Integer.MAX_VALUE, 0, TimeSlice.SHORTEST_NS))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ESRCH));
    }

    @Test
    void threadsHaveItFromWhoStartsThem() {
        // Here, where an assumption that does not hold skips the test.
        assumeTrue(TimeSlice.get(CALLING_THREAD) != 0, "needs Linux 6.12");
        inThread(() -> {
                    long usual = TimeSlice.get(CALLING_THREAD);
                    TimeSlice.set(CALLING_THREAD, nice(), TimeSlice.SHORTEST_NS);
                    assertThat(TimeSlice.get(CALLING_THREAD)).isEqualTo(TimeSlice.SHORTEST_NS);
                    assertThat(inThread(() -> TimeSlice.get(CALLING_THREAD)).join())
                            .isEqualTo(TimeSlice.SHORTEST_NS);
                    TimeSlice.set(CALLING_THREAD, nice(), TimeSlice.USUAL);
                    assertThat(TimeSlice.get(CALLING_THREAD)).isEqualTo(usual);
                    return usual;
                })
                .join();
    }

    @Test
    void nicenessIsSetWithIt() {
        int nice = inThread(() -> {
                    TimeSlice.set(CALLING_THREAD, 19, TimeSlice.USUAL);
                    return nice();
                })
                .join();
        assertThat(nice).isEqualTo(19);
    }

    private static int nice() {
        try {
            return ThreadStat.own().nice();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static <T> CompletableFuture<T> inThread(Supplier<T> what) {
        return CompletableFuture.supplyAsync(
                what, run -> Thread.ofPlatform().daemon().start(run));
    }
}
