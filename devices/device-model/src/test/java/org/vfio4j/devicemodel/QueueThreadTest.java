package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.sys.Cpus;

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

    /** Long work that is cut into actions, each of which asks for the next, does not keep the queues from theirs. */
    @Test
    void queuesHaveTheirTurnBetweenActionsThatAskForEachOther() {
        thread.attach(space);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<Runnable> again = new AtomicReference<>();
        again.set(() -> {
            if (!stop.get()) {
                thread.runQuiesced(again.get());
            }
        });
        thread.runQuiesced(again.get());
        long mine = work.offer(1);
        thread.wake();
        await(() -> work.done.get() >= mine);
        stop.set(true);
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

    /** What it holds may be prepared for the memory that is gone. */
    @Test
    void whatBelongsToTheThreadGoesWithTheMemory() {
        thread.attach(space);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
        assertThat(work.begun).hasValue(1);
        thread.detach();
        assertThat(work.begun).hasValue(0);
        thread.attach(space);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 2);
        assertThat(work.begun).hasValue(1);
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

    /** It interrupts its driver, whose descriptors live as long as the window is online. */
    @Test
    void tellsItsWorkInTheWindowThatAnActionFailed() {
        AtomicBoolean online = new AtomicBoolean();
        thread = replaced(QueuePolling.ALWAYS);
        thread.attach(space);
        work.whenFailed = () -> online.set(space.window.online);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
        thread.runQuiesced(() -> {
            throw new IllegalStateException("the test's action fails");
        });
        await(() -> work.failures.get() == 1);
        assertThat(online).isTrue();
        await(() -> !space.window.online);
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

    /** Work that waits for time sleeps so long, and goes on by itself when the time has come. */
    @Test
    void sleepsForTheTimeThatItsWorkWaits() {
        thread = replaced(QueuePolling.ALWAYS);
        thread.attach(space);
        work.waitNs = 2_000_000;
        work.offer(1);
        long before = System.nanoTime();
        long polls = work.polls.get();
        await(() -> work.polls.get() > polls + 10);
        assertThat(System.nanoTime() - before).isGreaterThan(9 * 2_000_000);
        work.waitNs = QueueWork.NOTHING;
        await(() -> work.done.get() == 1);
    }

    @Test
    void aThreadWhoseWorkWaitsDoesNotEnd() {
        thread = replaced(new QueuePolling(0, 0));
        thread.attach(space);
        work.waitNs = 5_000_000;
        work.offer(1);
        thread.wake();
        await(() -> work.polls.get() > 3);
        assertThat(thread.isRunning()).isTrue();
        work.waitNs = QueueWork.NOTHING;
        await(() -> work.done.get() == 1);
    }

    @Test
    void runsWhereItIsTold() {
        int last = Cpus.allowed().numbers().getLast();
        thread.close();
        thread = new QueueThread("queue-test", work, QueuePolling.NEVER, new Cpus(List.of(last)));
        thread.attach(space);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
        assertThat(work.ranOn).hasToString(Integer.toString(last));
    }

    @Test
    void runsElsewhereWhenItCannotRunThere() {
        thread.close();
        thread = new QueueThread("queue-test", work, QueuePolling.NEVER, Cpus.parse("8191"));
        thread.attach(space);
        work.offer(1);
        thread.wake();
        await(() -> work.done.get() == 1);
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
}
