package org.vfio4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.vfiouser.EventLoop;

/**
 * Two disks on one event loop, a third on another. Hostile clients do to the one what {@link Attack} lists; the other is used as ever, by somebody
 * who checks what he reads and how long it takes. Afterwards both serve, and nothing is left behind.
 */
class HostilePeersTest {

    private static final long ALONE_NS = 1_000_000_000L;
    private static final long TOGETHER_NS = 4_000_000_000L;
    private static final int TRIES = 3;
    private static final long MOST_RATIO = 2;

    /** Below that it is the scheduler's choice of a processor for each thread that makes the difference. */
    private static final long WAKE_UP_NS = 50_000;

    private static final int READS = 200;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Leaks before = Leaks.snapshot();
    private DefectLog log;
    private EventLoop loop;
    private EventLoop otherLoop;
    private TestDisk.Served victim;
    private TestDisk.Served other;
    private TestDisk.Served stranger;
    private Neighbour neighbour;
    private final List<AssertionError> failures = Collections.synchronizedList(new ArrayList<>());

    @BeforeEach
    void serve() {
        log = new DefectLog();
        loop = new EventLoop(0);
        victim = new TestDisk.Served(loop);
        other = new TestDisk.Served(loop);
        otherLoop = new EventLoop(0);
        stranger = new TestDisk.Served(otherLoop);
        neighbour = new Neighbour(other.socket());
        neighbour.medianReadNs(20_000);
        // From its first request on the disk has a thread, and copies of rings that are not mapped, which is no leak.
        Attack.ALL.get("truncated memfd").run(victim.socket(), new SplittableRandom(0));
        Attack.ALL.get("truncated file").run(victim.socket(), new SplittableRandom(0));
    }

    @AfterEach
    void nothingIsLeft() {
        neighbour.close();
        other.close();
        victim.close();
        loop.close();
        stranger.close();
        otherLoop.close();
        log.check();
        log.close();
        before.assertNone();
    }

    @TestFactory
    Stream<DynamicTest> oneAttackAfterTheOther() {
        return Attack.ALL.entrySet().stream()
                .map(attack -> DynamicTest.dynamicTest(attack.getKey(), () -> {
                    Leaks warm = Leaks.snapshot();
                    attack(attack.getKey(), victim, List.of(attack.getValue()), ALONE_NS);
                    warm.assertNone();
                }));
    }

    @Test
    void allAttacksAtOnce() {
        // The attackers take processor time from the neighbour too, which is no fault of the server: so the same
        // attacks on a
        // server of another loop are what it is compared with. A machine may be busy otherwise: any of three tries will
        // do.
        List<Attack> attacks = List.copyOf(Attack.ALL.values());
        List<String> seen = new ArrayList<>();
        boolean unaffected = false;
        for (int i = 0; i < TRIES && !unaffected; i++) {
            long apart = attack("all at once, on another loop", stranger, attacks, TOGETHER_NS);
            long here = attack("all at once", victim, attacks, TOGETHER_NS);
            unaffected = here <= Math.max(MOST_RATIO * apart, WAKE_UP_NS);
            seen.add(here + " ns against " + apart + " ns");
        }
        assertThat(unaffected)
                .as("whether the median of the neighbour's reads, attacks on its own loop against another's: %s", seen)
                .isTrue();
    }

    /** Together they ask for more mappings than the kernel gives a process: the rest is reached otherwise, or refused. */
    @Test
    void twoClientsCannotTakeAllMappingsOfTheProcess() {
        try (RawClient one = Attack.mapping(victim.socket(), Attack.MAPS);
                RawClient two = Attack.mapping(stranger.socket(), Attack.MAPS)) {
            assertThat(one.call(Wire.info()).isError()).isFalse();
            assertThat(two.call(Wire.info()).isError()).isFalse();
            join(Thread.ofPlatform().start(neighbour::useDisk));
            // A new client's memory, eventfds and all.
            neighbour.close();
            neighbour = new Neighbour(other.socket());
            neighbour.useDisk();
        }
    }

    /** Attacks by as many threads as there are attacks, while the neighbour works: the median of its reads. */
    private long attack(String name, TestDisk.Served target, List<Attack> attacks, long forNs) {
        neighbour.takeWorstNs();
        long end = System.nanoTime() + forNs;
        List<Thread> attackers = new ArrayList<>();
        for (int i = 0; i < attacks.size(); i++) {
            Attack attack = attacks.get(i);
            SplittableRandom random = new SplittableRandom(i);
            attackers.add(Thread.ofPlatform().name("attacker").start(() -> {
                do {
                    oneRound(attack, target.socket(), random);
                } while (System.nanoTime() < end);
            }));
        }
        List<Long> medians = new ArrayList<>();
        while (attackers.stream().anyMatch(Thread::isAlive)) {
            neighbour.useDisk();
            medians.add(neighbour.medianReadNs(READS));
        }
        medians.sort(Long::compare);
        attackers.forEach(HostilePeersTest::join);
        long median = medians.get(medians.size() / 2);
        System.getLogger("fuzz")
                .log(
                        System.Logger.Level.INFO,
                        "{0}: a neighbour''s read takes {1} us, the longest {2} us",
                        name,
                        median / 1000,
                        neighbour.takeWorstNs() / 1000);
        try (RawClient client = target.client()) {
            assertThat(client.call(Wire.read(Wire.CONFIG, 0, 4)).u32(16)).isEqualTo(0x10421af4);
        }
        log.check();
        assertThat(failures).isEmpty();
        return median;
    }

    private void oneRound(Attack attack, Path socket, SplittableRandom random) {
        try {
            attack.run(socket, random);
        } catch (ErrnoException e) {
            // Refused: as good as any answer.
        } catch (AssertionError e) {
            failures.add(e);
        }
    }

    private static void join(Thread thread) {
        try {
            assertThat(thread.join(PATIENCE)).as("an attacker has ended").isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
