package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Nice;

/** Which threads go before others, and for how long. */
class PrecedenceTest {

    @Test
    void allThreadsHaveItUntilTheEnd() throws Exception {
        assumeTrue(mayHaveIt(), "needs CAP_SYS_NICE");
        int usual = Nice.ofThis();
        CountDownLatch took = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        CompletableFuture<int[]> other = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            int before = Nice.ofThis();
            await(took);
            int during = Nice.ofThis();
            await(ended);
            other.complete(new int[] {before, during, Nice.ofThis()});
        });
        CompletableFuture<int[]> begunMeanwhile = new CompletableFuture<>();
        try (Precedence precedence = Precedence.take()) {
            assertThat(Nice.ofThis()).isEqualTo(usual - 10);
            Thread.ofPlatform().daemon().start(() -> {
                int during = Nice.ofThis();
                took.countDown();
                await(ended);
                begunMeanwhile.complete(new int[] {during, Nice.ofThis()});
            });
            await(took);
        }
        ended.countDown();
        assertThat(Nice.ofThis()).isEqualTo(usual);
        assertThat(other.get()).containsExactly(usual, usual - 10, usual);
        assertThat(begunMeanwhile.get()).containsExactly(usual - 10, usual);
    }

    @Test
    void threadsThatGiveWayDoNotGetIt() throws Exception {
        assumeTrue(mayHaveIt(), "needs CAP_SYS_NICE");
        CountDownLatch gaveWay = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        CompletableFuture<Integer> during = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            Nice.giveWay();
            gaveWay.countDown();
            await(ended);
            during.complete(Nice.ofThis());
        });
        await(gaveWay);
        try (Precedence precedence = Precedence.take()) {
            ended.countDown();
            assertThat(during.get()).isEqualTo(19);
        }
    }

    @Test
    void aRehearsalHasNone() {
        int usual = Nice.ofThis();
        try (Precedence precedence = Precedence.none()) {
            assertThat(Nice.ofThis()).isEqualTo(usual);
        }
        assertThat(Nice.ofThis()).isEqualTo(usual);
    }

    private static boolean mayHaveIt() throws Exception {
        CompletableFuture<Boolean> may = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                Nice.set(0, Nice.ofThis() - 1);
                may.complete(true);
            } catch (ErrnoException e) {
                may.complete(false);
            }
        });
        return may.get();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
