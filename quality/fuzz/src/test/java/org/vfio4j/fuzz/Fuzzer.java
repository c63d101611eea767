package org.vfio4j.fuzz;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.vfio4j.testkit.Leaks;

/**
 * Gives a target inputs until the time is up: first its corpus, then mutations of it and of those inputs that led to something
 * new. The same seed makes the same inputs, as far as the target answers alike. A failure names the input, and how to give it
 * to the target again.
 */
final class Fuzzer {

    private static final long HANG_NS = TimeUnit.SECONDS.toNanos(20);
    private static final int CHECK_EVERY = 64;
    private static final int MAX_CORPUS = 4096;
    private static final int MAX_INPUT_BYTES = 1 << 16;

    private final String name;
    private final FuzzTarget target;
    private final long seed;
    private final RandomGenerator random;
    private final List<byte[]> corpus = new ArrayList<>();
    private final Set<Long> outcomes = new HashSet<>();
    private long inputs;

    // Of the input that is being run, for the watchdog.
    private volatile byte[] current = new byte[0];
    private volatile long since;
    private volatile boolean running = true;

    private Fuzzer(String name, FuzzTarget target, long seed) {
        this.name = name;
        this.target = target;
        this.seed = seed;
        this.random = RandomGeneratorFactory.of("Xoshiro256PlusPlus").create(seed);
    }

    /** What a run has seen. */
    record Result(long inputs, int outcomes) {}

    /** Runs {@code name} for {@code seconds}, and throws when it finds a defect. */
    static Result fuzz(String name, long seed, double seconds) {
        Leaks before = Leaks.snapshot();
        Fuzzer fuzzer;
        try (DefectLog log = new DefectLog();
                FuzzTarget target = Targets.open(name)) {
            fuzzer = new Fuzzer(name, target, seed);
            fuzzer.watched(() -> fuzzer.loop(log, System.nanoTime() + (long) (seconds * 1e9)));
        }
        before.assertNone();
        return new Result(fuzzer.inputs, fuzzer.outcomes.size());
    }

    /** Gives {@code name} one input. */
    static void replay(String name, byte[] input) {
        Leaks before = Leaks.snapshot();
        try (DefectLog log = new DefectLog();
                FuzzTarget target = Targets.open(name)) {
            Fuzzer fuzzer = new Fuzzer(name, target, 0);
            fuzzer.watched(() -> {
                fuzzer.give(input);
                target.checkWorks();
                log.check();
            });
        }
        before.assertNone();
    }

    private void loop(DefectLog log, long deadline) {
        for (byte[] input : target.corpus()) {
            corpus.add(input);
            give(input);
            check(log);
        }
        while (System.nanoTime() < deadline) {
            byte[] input = target.mutator().mutate(some(), some(), random);
            if (input.length <= MAX_INPUT_BYTES && give(input) && corpus.size() < MAX_CORPUS) {
                corpus.add(input);
            }
            if (inputs % CHECK_EVERY == 0) {
                check(log);
            }
        }
        check(log);
    }

    private byte[] some() {
        return corpus.get(random.nextInt(corpus.size()));
    }

    /** Whether something new came of it. */
    private boolean give(byte[] input) {
        current = input;
        since = System.nanoTime();
        inputs++;
        try {
            return outcomes.add(target.run(input));
        } catch (RuntimeException | Error e) {
            throw failure("input failed", e);
        }
    }

    private void check(DefectLog log) {
        try {
            log.check();
            target.checkWorks();
        } catch (RuntimeException | Error e) {
            throw failure("one of the last " + CHECK_EVERY + " inputs did harm, the last was", e);
        }
    }

    /** Runs the loop in a thread of its own: a hang is told and left to itself. */
    private void watched(Runnable body) {
        List<Throwable> failures = new ArrayList<>();
        since = System.nanoTime();
        Thread thread = Thread.ofPlatform().daemon().name("fuzz").start(() -> {
            try {
                body.run();
            } catch (RuntimeException | Error e) {
                failures.add(e);
            } finally {
                running = false;
            }
        });
        try {
            while (!thread.join(java.time.Duration.ofMillis(100))) {
                if (running && System.nanoTime() - since > HANG_NS) {
                    throw failure("input hangs\n" + stacks(), null);
                }
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        if (!failures.isEmpty()) {
            throw new AssertionError(failures.getFirst().getMessage(), failures.getFirst());
        }
    }

    private AssertionError failure(String what, @org.jspecify.annotations.Nullable Throwable cause) {
        return new AssertionError(
                "fuzz target " + name + ", seed " + seed + ", input number " + inputs + ": " + what
                        + (cause == null ? "" : ": " + cause) + "\nagain: mvn test -pl quality/fuzz -am"
                        + " -Dtest=FuzzTest -Dsurefire.failIfNoSpecifiedTests=false -Dfuzz.target=" + name
                        + " -Dfuzz.input=" + HexFormat.of().formatHex(current),
                cause);
    }

    private static String stacks() {
        StringBuilder out = new StringBuilder();
        for (Map.Entry<Thread, StackTraceElement[]> entry :
                Thread.getAllStackTraces().entrySet()) {
            out.append(entry.getKey().getName()).append('\n');
            for (StackTraceElement frame : entry.getValue()) {
                out.append("    ").append(frame).append('\n');
            }
        }
        return out.toString();
    }
}
