package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;

/** When the queue thread runs, sleeps, ends; and that it hears whoever calls it. */
@Timeout(60)
class QueueThreadTest {

    private final FakeWork work = new FakeWork();
    private final FakeSpace space = new FakeSpace();
    private QueueThread thread = new QueueThread("queue-test", work, new QueuePolling(1_000, 50_000_000));

    @AfterEach
    void close() {
        thread.close();
        assertThat(thread.isRunning()).isFalse();
        assertThat(space.window.closed || !space.opened).isTrue();
    }

    @Test
    void doesNotExistBeforeTheFirstWake() {
        thread.attach(space);
        thread.callQuiesced(() -> {});
        assertThat(thread.isRunning()).isFalse();
    }

    @Test
    void endsWhenIdleAndComesBack() {
        thread.attach(space);
        for (int i = 0; i < 5; i++) {
            work.offer(1);
            thread.wake();
            await(() -> work.done.get() == work.offered.get());
            await(() -> !thread.isRunning());
            assertThat(work.begun.get()).isZero();
        }
    }

    @Test
    void itsProcessorTimeOutlivesEachThread() {
        thread.attach(space);
        assertThat(thread.cpuNs()).isZero();
        long before = 0;
        for (int i = 0; i < 3; i++) {
            work.offer(1);
            thread.wake();
            await(() -> work.done.get() == work.offered.get());
            await(() -> !thread.isRunning());
            assertThat(thread.cpuNs()).isGreaterThan(before);
            before = thread.cpuNs();
        }
        assertThat(before).isLessThan(10_000_000_000L);
    }

    /** Two threads offer one thing at a time and wake; each thing must be done without another wake. */
    @Test
    void losesNoWakeup() throws InterruptedException {
        for (QueuePolling polling :
                new QueuePolling[] {QueuePolling.NEVER, new QueuePolling(0, 0), new QueuePolling(5_000, 1_000_000)}) {
            thread.close();
            thread = new QueueThread("queue-test", work, polling);
            thread.attach(space);
            Thread[] wakers = new Thread[2];
            for (int i = 0; i < wakers.length; i++) {
                wakers[i] = Thread.ofPlatform().start(() -> {
                    for (int round = 0; round < 5_000; round++) {
                        long mine = work.offer(1);
                        thread.wake();
                        await(() -> work.done.get() >= mine);
                    }
                });
            }
            for (Thread waker : wakers) {
                waker.join();
            }
            assertThat(work.done).hasValue(work.offered.get());
        }
    }

    @Test
    void runsActionsWithNothingInFlightAndTheWindowLeft() {
        thread.attach(space);
        work.keepsInFlight = true;
        for (int i = 0; i < 200; i++) {
            work.offer(3);
            thread.wake();
            thread.callQuiesced(() -> {
                assertThat(work.inFlight).isZero();
                assertThat(space.window.online).isFalse();
            });
        }
        assertThat(work.done.get()).isLessThanOrEqualTo(work.offered.get());
    }

    @Test
    void runsActionsWithoutAThread() {
        AtomicBoolean ran = new AtomicBoolean();
        assertThat(thread.runQuiesced(() -> ran.set(true))).isTrue();
        assertThat(ran).isTrue();
        assertThat(thread.isRunning()).isFalse();
    }

    /** A wake during an action without thread is made good after it. */
    @Test
    void remembersWakesThatComeDuringAnAction() {
        thread.attach(space);
        thread.runQuiesced(() -> {
            work.offer(1);
            thread.wake();
        });
        await(() -> work.done.get() == 1);
    }

    @Test
    void touchesNothingAfterDetach() {
        thread.attach(space);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
        thread.detach();
        assertThat(space.window.closed).isTrue();
        work.offer(1);
        thread.wake();
        thread.callQuiesced(() -> {});
        assertThat(work.done).hasValue(1);
        thread.attach(space);
        thread.wake();
        await(() -> work.done.get() == 2);
    }

    @Test
    void leavesTheWindowWhenAskedTo() {
        thread = replaced(QueuePolling.ALWAYS);
        thread.attach(space);
        work.keepsInFlight = true;
        await(() -> space.window.online);
        for (int i = 0; i < 100; i++) {
            work.offer(1);
            int entered = space.window.entries.get();
            space.window.yield = true;
            await(() -> space.window.entries.get() > entered);
        }
        await(() -> work.done.get() == 100);
    }

    @Test
    void survivesWorkThatThrows() {
        thread.attach(space);
        work.throwing = true;
        work.offer(1);
        thread.wake();
        await(() -> work.failures.get() == 1);
        thread.callQuiesced(() -> work.ready = true);
        thread.wake();
        await(() -> work.done.get() == 1);
    }

    @Test
    void asksAgainLater() {
        thread.attach(space);
        work.laters.set(5);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
        assertThat(work.laters).hasValue(0);
    }

    @Test
    void ignoresWakesAfterClose() {
        thread.close();
        thread.wake();
        assertThat(thread.isRunning()).isFalse();
        assertThat(thread.runQuiesced(() -> {})).isTrue();
    }

    private QueueThread replaced(QueuePolling polling) {
        thread.close();
        return new QueueThread("queue-test", work, polling);
    }

    private static void await(BooleanSupplier holds) {
        while (!holds.getAsBoolean()) {
            Thread.onSpinWait();
        }
    }

    /** Work that is a number to be counted up to. */
    private static final class FakeWork implements QueueWork {

        final AtomicLong offered = new AtomicLong();
        final AtomicLong done = new AtomicLong();
        final AtomicInteger begun = new AtomicInteger();
        final AtomicInteger failures = new AtomicInteger();
        final AtomicInteger laters = new AtomicInteger();
        volatile boolean ready = true;
        volatile boolean throwing;
        volatile boolean keepsInFlight;
        volatile int inFlight;

        long offer(int count) {
            return offered.addAndGet(count);
        }

        @Override
        public boolean ready() {
            return ready;
        }

        @Override
        public void begin(Fd eventFd) {
            begun.incrementAndGet();
        }

        @Override
        public void end() {
            begun.decrementAndGet();
        }

        @Override
        public void entered(DmaWindow window) {
            assertThat(((FakeWindow) window).online).isTrue();
        }

        @Override
        public int poll(DmaWindow window) {
            assertThat(((FakeWindow) window).online).isTrue();
            if (throwing) {
                throwing = false;
                throw new IllegalStateException("the test's work fails");
            }
            if (laters.get() > 0) {
                laters.decrementAndGet();
                return LATER;
            }
            int finished = inFlight;
            done.addAndGet(finished);
            inFlight = 0;
            long waiting = offered.get() - done.get();
            if (waiting > 0 && keepsInFlight && finished == 0) {
                inFlight = (int) waiting;
            } else {
                done.addAndGet(waiting);
            }
            return (int) waiting + finished;
        }

        @Override
        public boolean arm(DmaWindow window) {
            return offered.get() != done.get();
        }

        @Override
        public void disarm(DmaWindow window) {}

        @Override
        public int inFlight() {
            return inFlight;
        }

        @Override
        public void drain(DmaWindow window) {
            done.addAndGet(inFlight);
            inFlight = 0;
        }

        @Override
        public void failed(Throwable cause) {
            ready = false;
            failures.incrementAndGet();
        }
    }

    private static final class FakeSpace implements DmaSpace {

        volatile FakeWindow window = new FakeWindow();
        volatile boolean opened;

        @Override
        public DmaWindow openWindow() {
            opened = true;
            window = new FakeWindow();
            return window;
        }
    }

    private static final class FakeWindow implements DmaWindow {

        final AtomicInteger entries = new AtomicInteger();
        volatile boolean online;
        volatile boolean closed;
        volatile boolean yield;

        @Override
        public void enter() {
            assertThat(online || closed).isFalse();
            online = true;
            yield = false;
            entries.incrementAndGet();
        }

        @Override
        public void leave() {
            assertThat(online).isTrue();
            online = false;
        }

        @Override
        public boolean yieldRequested() {
            return yield;
        }

        @Override
        public long generation() {
            return 0;
        }

        @Override
        public long translate(long iova, long length, int access) {
            return 0;
        }

        @Override
        public int read(long iova, long hostAddress, long length) {
            return 0;
        }

        @Override
        public int write(long iova, long hostAddress, long length) {
            return 0;
        }

        @Override
        public void markDirty(long iova, long length) {}

        @Override
        public void close() {
            assertThat(online).isFalse();
            closed = true;
        }
    }
}
