package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.sys.Cpus;

/** Several queue threads of one function, and what holds all of them. */
@Timeout(60)
class QueueThreadsTest {

    private static final int COUNT = 3;

    private final List<FakeWork> works =
            Stream.generate(FakeWork::new).limit(COUNT).toList();
    private final FakeSpace space = new FakeSpace();
    private QueueThreads threads = make(new QueuePolling(1_000, 20_000_000));

    @AfterEach
    void close() {
        threads.close();
        assertThat(threads.isRunning()).isFalse();
        assertThat(space.windows).allMatch(window -> window.closed);
    }

    @Test
    void eachHasAWindowOfItsOwnAndOnlyTheOneThatIsWokenRuns() {
        threads.attach(space);
        assertThat(space.windows).hasSize(COUNT);
        works.forEach(work -> work.offer(1));
        threads.wake(1);
        await(() -> works.get(1).done.get() == 1);
        assertThat(works.get(0).polls.get() + works.get(2).polls.get()).isZero();
        threads.wakeAll();
        await(() -> works.stream().allMatch(work -> work.done.get() == 1));
        await(() -> !threads.isRunning());
        assertThat(works).allMatch(work -> work.begun.get() == 0);
    }

    @Test
    void anActionRunsAtOnceWithoutThreads() {
        AtomicBoolean ran = new AtomicBoolean();
        assertThat(threads.runQuiesced(() -> ran.set(true))).isTrue();
        assertThat(ran).isTrue();
        assertThat(threads.isRunning()).isFalse();
    }

    /** Whatever threads there are, and whoever else calls: an action meets nobody, and is run. */
    @Test
    void actionsHoldEveryThread() throws InterruptedException {
        threads.attach(space);
        works.forEach(work -> work.keepsInFlight = true);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger ran = new AtomicInteger();
        int rounds = 500;
        Thread[] callers = new Thread[3];
        for (int c = 0; c < callers.length; c++) {
            int caller = c;
            callers[c] = Thread.ofPlatform().start(() -> {
                for (int round = 0; round < rounds; round++) {
                    works.get((caller + round) % COUNT).offer(1);
                    threads.wake((caller + round) % COUNT);
                    threads.callQuiesced(() -> {
                        boolean alone = inside.incrementAndGet() == 1
                                && works.stream().allMatch(work -> work.inFlight == 0)
                                && space.windows.stream().noneMatch(window -> window.online);
                        inside.decrementAndGet();
                        ran.addAndGet(alone ? 1 : 0);
                    });
                }
            });
        }
        for (Thread caller : callers) {
            caller.join();
        }
        assertThat(ran).hasValue(rounds * callers.length);
        threads.wakeAll();
        await(() -> works.stream().allMatch(work -> work.done.get() == work.offered.get()));
    }

    /** A wake while all are held is made good when they are let go. */
    @Test
    void remembersWakesThatComeDuringAnAction() {
        threads.attach(space);
        threads.callQuiesced(() -> {
            works.forEach(work -> work.offer(1));
            threads.wakeAll();
        });
        await(() -> works.stream().allMatch(work -> work.done.get() == 1));
    }

    @Test
    void losesNoWakeupWhileActionsRun() throws InterruptedException {
        threads.close();
        threads = make(new QueuePolling(0, 0));
        threads.attach(space);
        AtomicBoolean over = new AtomicBoolean();
        Thread holder = Thread.ofPlatform().start(() -> {
            while (!over.get()) {
                threads.callQuiesced(() -> {});
            }
        });
        Thread[] wakers = new Thread[COUNT];
        for (int i = 0; i < COUNT; i++) {
            int index = i;
            wakers[i] = Thread.ofPlatform().start(() -> {
                for (int round = 0; round < 1_000; round++) {
                    long mine = works.get(index).offer(1);
                    threads.wake(index);
                    await(() -> works.get(index).done.get() >= mine);
                }
            });
        }
        for (Thread waker : wakers) {
            waker.join();
        }
        over.set(true);
        holder.join();
    }

    @Test
    void attachAndDetachWorkBesideActions() {
        for (int round = 0; round < 100; round++) {
            threads.attach(space);
            works.forEach(work -> work.offer(1));
            threads.wakeAll();
            threads.runQuiesced(() -> {});
            threads.detach();
            assertThat(space.windows).allMatch(window -> window.closed);
        }
        threads.attach(space);
        threads.wakeAll();
        await(() -> works.stream().allMatch(work -> work.done.get() == work.offered.get()));
    }

    @Test
    void anActionThatThrowsHoldsNobodyUp() {
        threads.attach(space);
        works.forEach(work -> work.offer(1));
        threads.wakeAll();
        AtomicBoolean ran = new AtomicBoolean();
        try {
            threads.callQuiesced(() -> {
                throw new IllegalStateException("the test's action fails");
            });
        } catch (IllegalStateException e) {
            assertThat(e).hasMessageContaining("test's action");
        }
        threads.callQuiesced(() -> works.forEach(work -> work.ready = true));
        threads.callQuiesced(() -> ran.set(true));
        assertThat(ran).isTrue();
    }

    @Test
    void threadsTakeProcessorsInTurn() {
        List<Integer> allowed = Cpus.allowed().numbers();
        threads.close();
        threads = new QueueThreads("queues-test", works, QueuePolling.NEVER, new Cpus(allowed));
        threads.attach(space);
        works.forEach(work -> work.offer(1));
        threads.wakeAll();
        await(() -> works.stream().allMatch(work -> work.done.get() == 1));
        for (int i = 0; i < COUNT; i++) {
            assertThat(works.get(i).ranOn.numbers()).containsExactly(allowed.get(i % allowed.size()));
        }
    }

    private QueueThreads make(QueuePolling polling) {
        return new QueueThreads("queues-test", works, polling, Cpus.ANY);
    }

    private static void await(BooleanSupplier holds) {
        while (!holds.getAsBoolean()) {
            Thread.yield();
        }
    }
}
