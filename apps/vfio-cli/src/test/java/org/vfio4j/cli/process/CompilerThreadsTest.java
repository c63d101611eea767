package org.vfio4j.cli.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.sys.ThreadStat;

/** How long compilers are waited for. */
@Timeout(60)
class CompilerThreadsTest {

    @Test
    void thisJvmHasCompilersAndTheCallerIsNone() throws Exception {
        assertThat(ThreadStat.all()).anyMatch(CompilerThreads::has);
        assertThat(CompilerThreads.has(ThreadStat.own())).isFalse();
    }

    @Test
    void nobodyIsWaitedForWhenThatIsNotWanted() {
        AtomicInteger looks = new AtomicInteger();
        CompilerThreads.awaitIdle(() -> {
            looks.incrementAndGet();
            return false;
        });
        assertThat(looks).hasValue(1);
    }

    @Test
    void theWaitEndsAlsoWhenTheyAreBusyForEver() {
        AtomicInteger looks = new AtomicInteger();
        long began = System.nanoTime();
        CompilerThreads.awaitIdle(() -> looks.incrementAndGet() > 0);
        assertThat(System.nanoTime() - began).isLessThan(20 * CompilerThreads.LIMIT_NS);
        assertThat(looks.get()).isPositive();
    }
}
