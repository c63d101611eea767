package org.vfio4j.cli.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.ThreadStat;
import org.vfio4j.sys.TimeSlice;

/** Which threads go before others, and for how long. */
@Timeout(60)
class PrecedenceTest {

    private static final int STEPS = 10;

    /** By Linux before 6.12. */
    private static final long NOT_TOLD = 0;

    private final int usual = nice();

    @Test
    void allThreadsHaveItUntilTheEnd() throws Exception {
        assumeMayBecomeMoreImportant();
        Waiting before = new Waiting();
        Waiting meanwhile;
        try (Precedence precedence = Precedence.prepare().take()) {
            assertThat(nice()).isEqualTo(usual - STEPS);
            assertThat(before.nice()).isEqualTo(usual - STEPS);
            assertThat(before.slice()).isIn(TimeSlice.SHORTEST_NS, NOT_TOLD);
            meanwhile = new Waiting();
            assertThat(meanwhile.nice()).isEqualTo(usual - STEPS);
        }
        assertThat(nice()).isEqualTo(usual);
        assertThat(before.nice()).isEqualTo(usual);
        assertThat(before.slice()).isEqualTo(TimeSlice.get(0)).isNotEqualTo(TimeSlice.SHORTEST_NS);
        assertThat(meanwhile.nice()).isEqualTo(usual);
        before.end();
        meanwhile.end();
    }

    @Test
    void shortTurnsTakeNoPrivilege() throws Exception {
        Waiting waiting = new Waiting();
        long before = waiting.slice();
        assertThat(before).isNotEqualTo(TimeSlice.SHORTEST_NS);
        try (Precedence precedence = Precedence.prepare().take()) {
            assertThat(waiting.slice()).isEqualTo(before == NOT_TOLD ? NOT_TOLD : TimeSlice.SHORTEST_NS);
        }
        assertThat(waiting.slice()).isEqualTo(before);
        waiting.end();
    }

    @Test
    void threadsThatEndMeanwhileKeepNobodyFromIt() throws Exception {
        assumeMayBecomeMoreImportant();
        Waiting waiting = new Waiting();
        CountDownLatch enough = new CountDownLatch(1);
        CompletableFuture<Void> coming = inThread(() -> {
            while (enough.getCount() != 0) {
                Thread.ofPlatform().daemon().start(() -> {});
            }
            return null;
        });
        for (int i = 0; i < 50; i++) {
            try (Precedence precedence = Precedence.prepare().take()) {
                assertThat(waiting.nice()).isEqualTo(usual - STEPS);
            }
            assertThat(waiting.nice()).isEqualTo(usual);
        }
        enough.countDown();
        coming.get();
        waiting.end();
    }

    @Test
    void threadsThatGiveWayAndCompilersDoNotGetIt() throws Exception {
        assumeMayBecomeMoreImportant();
        Waiting waiting = new Waiting();
        TimeSlice.set(waiting.tid, 19, TimeSlice.USUAL);
        try (Precedence precedence = Precedence.prepare().take()) {
            assertThat(waiting.nice()).isEqualTo(19);
            assertThat(ThreadStat.all().stream().filter(CompilerThreads::has).map(ThreadStat::nice))
                    .isNotEmpty()
                    .containsOnly(usual);
        }
        waiting.end();
    }

    @Test
    void aRehearsalHasNone() {
        long slice = TimeSlice.get(0);
        try (Precedence precedence = Precedence.none().take()) {
            assertThat(nice()).isEqualTo(usual);
            assertThat(TimeSlice.get(0)).isEqualTo(slice);
        }
        assertThat(nice()).isEqualTo(usual);
    }

    /** A thread that does nothing. */
    private static final class Waiting {

        private final CountDownLatch ended = new CountDownLatch(1);
        private final int tid;

        Waiting() throws Exception {
            CompletableFuture<Integer> began = new CompletableFuture<>();
            Thread.ofPlatform().daemon().start(() -> {
                began.complete(own().tid());
                try {
                    ended.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            tid = began.get(30, TimeUnit.SECONDS);
        }

        int nice() throws IOException {
            return ThreadStat.all().stream()
                    .filter(each -> each.tid() == tid)
                    .findFirst()
                    .orElseThrow()
                    .nice();
        }

        long slice() {
            return TimeSlice.get(tid);
        }

        void end() {
            ended.countDown();
        }
    }

    private static void assumeMayBecomeMoreImportant() throws Exception {
        assumeTrue(inThread(PrecedenceTest::mayBecomeMoreImportant).get(), "needs CAP_SYS_NICE");
    }

    private static boolean mayBecomeMoreImportant() {
        try {
            TimeSlice.set(0, nice() - STEPS, TimeSlice.USUAL);
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private static <T> CompletableFuture<T> inThread(java.util.concurrent.Callable<T> what) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                result.complete(what.call());
            } catch (Exception e) {
                result.completeExceptionally(e);
            }
        });
        return result;
    }

    private static int nice() {
        return own().nice();
    }

    private static ThreadStat own() {
        try {
            return ThreadStat.own();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
