package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** The time that a thread has had is its own, and others read it. */
class CpuClockTest {

    private static final long WORK_NS = 20_000_000;

    @Test
    void countsWhatTheThreadHasWorked() {
        CpuClock own = CpuClock.ofThread();
        long before = own.ns();
        long processBefore = CpuClock.PROCESS.ns();
        work(own, before);
        assertThat(own.ns() - before).isGreaterThanOrEqualTo(WORK_NS);
        assertThat(CpuClock.PROCESS.ns() - processBefore).isGreaterThanOrEqualTo(WORK_NS);
    }

    @Test
    void isReadByOthersUntilTheThreadHasEnded() throws InterruptedException {
        AtomicReference<CpuClock> clock = new AtomicReference<>();
        CountDownLatch worked = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        Thread worker = Thread.ofPlatform().daemon().start(() -> {
            CpuClock own = CpuClock.ofThread();
            clock.set(own);
            work(own, own.ns());
            worked.countDown();
            try {
                end.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        worked.await();
        long asleep = clock.get().ns();
        assertThat(asleep).isGreaterThanOrEqualTo(WORK_NS);
        // It sleeps: what this thread does meanwhile is not counted there.
        CpuClock own = CpuClock.ofThread();
        work(own, own.ns());
        assertThat(clock.get().ns() - asleep).isLessThan(WORK_NS / 2);
        end.countDown();
        worker.join();
        // The kernel's side of a thread goes a moment after Java's.
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (clock.get().ns() != 0 && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertThat(clock.get().ns()).isZero();
    }

    private static void work(CpuClock clock, long from) {
        while (clock.ns() - from < WORK_NS) {
            Thread.onSpinWait();
        }
    }
}
