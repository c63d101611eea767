package org.vfio4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.RawClient;

/** {@link Attack}s on the real thing: {@code vfio serve}, started as everybody starts it, seen from outside. */
class HostilePeersOfAProcessTest {

    private static final long ATTACK_NS = 3_000_000_000L;
    private static final long PATIENCE_NS = 30_000_000_000L;
    private static final int OWN_WORKERS = 4;

    @TempDir
    private Path directory;

    @Test
    void servesTheOtherDiskLeavesNothingBehindAndEndsAsItShould() throws IOException, InterruptedException {
        Path victim = directory.resolve("victim");
        Path other = directory.resolve("other");
        try (ServeProcess serve = new ServeProcess(directory, victim, other)) {
            List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
            try (Neighbour neighbour = new Neighbour(other)) {
                Attack.ALL.get("truncated memfd").run(victim, new SplittableRandom(0));
                neighbour.useDisk();
                long descriptors = serve.descriptors();
                long mappings = serve.sharedMappings();
                long threads = serve.threads();
                List<Thread> attackers = Attack.ALL.values().stream()
                        .map(attack -> start(attack, victim, failures))
                        .toList();
                while (attackers.stream().anyMatch(Thread::isAlive)) {
                    neighbour.useDisk();
                }
                awaitAtMost("descriptors", descriptors, serve::descriptors);
                awaitAtMost("mappings of shared memory", mappings, serve::sharedMappings);
                // The JVM starts compiler threads of its own when there is much to do.
                awaitAtMost("threads", threads + OWN_WORKERS, serve::threads);
            }
            assertThat(failures).isEmpty();
            RawClient.negotiated(victim).close();
            assertThat(serve.stop()).as("exit code: %s", serve.printed()).isZero();
            assertThat(serve.printed()).doesNotContain("Exception:", "Exception\n", "\tat ");
        }
    }

    private static Thread start(Attack attack, Path victim, List<Throwable> failures) {
        long end = System.nanoTime() + ATTACK_NS;
        return Thread.ofPlatform().name("attacker").start(() -> {
            do {
                try {
                    attack.run(victim, new SplittableRandom());
                } catch (ErrnoException e) {
                    // Refused: as good as any answer.
                } catch (AssertionError e) {
                    failures.add(e);
                }
            } while (System.nanoTime() < end);
        });
    }

    private static void awaitAtMost(String what, long most, LongSupplier now) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (now.getAsLong() > most && System.nanoTime() < deadline) {
            LockSupport.parkNanos(50_000_000);
        }
        assertThat(now.getAsLong()).as(what).isLessThanOrEqualTo(most);
    }
}
