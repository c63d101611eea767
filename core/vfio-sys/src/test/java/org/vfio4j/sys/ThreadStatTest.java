package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the kernel says of this process's threads: proc_pid_stat(5). */
@Timeout(60)
class ThreadStatTest {

    private static final String ODD_NAME = "a) R 1 (b";

    private final CountDownLatch ended = new CountDownLatch(1);

    @Test
    void aThreadIsFoundByItsNumberWhateverItsName() throws Exception {
        CompletableFuture<ThreadStat> began = new CompletableFuture<>();
        Thread thread = Thread.ofPlatform().daemon().name(ODD_NAME).start(() -> {
            Nice.giveWay();
            began.complete(own());
            await();
        });
        ThreadStat own = began.get(30, TimeUnit.SECONDS);
        assertThat(own.name()).isEqualTo(ODD_NAME);
        assertThat(own.nice()).isEqualTo(19);
        assertThat(own.state()).isEqualTo('R');
        ThreadStat found = find(own.tid()).getFirst();
        assertThat(found.name()).isEqualTo(ODD_NAME);
        assertThat(found.nice()).isEqualTo(19);
        assertThat(found.isThere()).isTrue();

        ended.countDown();
        thread.join();
        // The kernel forgets it a moment after Java has.
        while (!find(own.tid()).isEmpty()) {
            Thread.sleep(1);
        }
        assertThat(found.usedNs()).isZero();
        assertThat(found.isThere()).isFalse();
    }

    @Test
    void workTakesAProcessor() throws IOException {
        assumeTrue(Files.exists(Path.of("/proc/thread-self/schedstat")), "the kernel does not tell");
        long before = own().usedNs();
        long until = System.nanoTime() + 50_000_000;
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
        assertThat(own().usedNs() - before).isPositive();
    }

    private List<ThreadStat> find(int tid) throws IOException {
        return ThreadStat.all().stream().filter(each -> each.tid() == tid).toList();
    }

    private static ThreadStat own() {
        try {
            return ThreadStat.own();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void await() {
        try {
            ended.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
