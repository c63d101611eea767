package org.vfio4j.cli.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.load.DiskLoad;
import org.vfio4j.cli.load.Workload;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.Sizes;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** What {@code vfio bench} is told to measure, and how. */
final class BenchOptions {

    private static final long NS_PER_SECOND = 1_000_000_000;
    private static final long MAX_SECONDS = 24 * 3600;
    private static final int MAX_DEPTH = 1024;
    private static final int MAX_QUEUES = 64;
    private static final long MIN_BLOCK = 512;
    private static final long MAX_BLOCK = 1 << 20;

    /** Data in flight at a time. */
    private static final long MAX_BUFFERS = 1L << 30;

    @Option(names = "--seconds", paramLabel = "N", description = "For each measurement (default 3).")
    private long seconds = 3;

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            split = ",",
            description =
                    "What to measure: region, randread, read, and with THE LOSS OF WHAT IS ON THE DISK randwrite, write,"
                            + " mixed (default all that destroy nothing).")
    private List<String> workloads = List.of();

    @Option(
            names = "--queue-depth",
            paramLabel = "N",
            split = ",",
            description = "Requests in flight at a time, on each queue (default 1,32,128; sequential 8).")
    private List<Integer> queueDepths = List.of();

    @Option(
            names = "--block-size",
            paramLabel = "SIZE",
            description = "Bytes of each request (default 4K; sequential 128K).")
    private Optional<String> blockSize = Optional.empty();

    @Option(
            names = "--queues",
            paramLabel = "N",
            description = "Queues to use at a time, each with a thread and a part of the disk of its own (default 1).")
    private int queues = 1;

    @Option(names = "--write", description = "Measure writes as well. THIS DESTROYS WHAT IS ON THE DISK.")
    private boolean write;

    @Option(
            names = "--verify",
            description = "Tag what is written, and check what is read of it: needs a workload that writes.")
    private boolean verify;

    @ArgGroup
    private Waiting waiting = new Waiting();

    @Option(
            names = "--doorbells",
            paramLabel = "HOW",
            description = "How NVMe's are rung: mapped, or where that is not offered shadow, or else written"
                    + " (default mapped).")
    private BenchTarget.Doorbells doorbells = BenchTarget.Doorbells.MAPPED;

    /** Either of both. */
    static final class Waiting {
        @Option(names = "--poll", description = "Look for completions all the time (default).")
        private boolean poll;

        @Option(names = "--interrupts", description = "Sleep until the device interrupts.")
        private boolean interrupts;

        boolean interrupted() {
            return interrupts && !poll;
        }
    }

    /** @throws CliException for words that make no sense, with the limits */
    void check() {
        Limits.check("--seconds", seconds, 1, MAX_SECONDS, "3");
        queueDepths.forEach(depth -> Limits.check("--queue-depth", depth, 1, MAX_DEPTH, "1,32,128"));
        Limits.check("--queues", queues, 1, MAX_QUEUES, "1");
        blockSize.ifPresent(size -> Limits.check(
                "--block-size", Sizes.parse("--block-size", size, "--block-size 4K"), MIN_BLOCK, MAX_BLOCK, "4K"));
        for (String word : workloads) {
            if (!word.equals(BenchResult.REGION) && workload(word).isEmpty()) {
                throw CliException.usage(
                        "--workload " + word + ": there are " + BenchResult.REGION + ", " + Workload.words(),
                        "--workload randread");
            }
        }
        for (DiskLoad load : loads()) {
            if (load.bytes() % MIN_BLOCK != 0) {
                throw CliException.usage(
                        "--block-size " + load.bytes() + ": not a multiple of " + MIN_BLOCK, "--block-size 4K");
            }
            if (load.bufferBytes() > MAX_BUFFERS) {
                throw CliException.usage(
                        Sizes.format(load.bufferBytes()) + " in flight at a time: the limit is "
                                + Sizes.format(MAX_BUFFERS),
                        "a smaller --block-size, --queue-depth or --queues");
            }
        }
        if (verify && loads().stream().noneMatch(load -> load.workload().writes())) {
            throw CliException.usage("--verify without a workload that writes", "--workload mixed --verify");
        }
    }

    /**
     * For a disk that is real.
     *
     * @param words that say which
     * @throws CliException for workloads that destroy what is on it, unless {@code --write} says so too
     */
    void checkHarmless(String words) {
        for (DiskLoad load : loads()) {
            if (load.workload().writes() && !write) {
                String word = load.workload().word();
                throw CliException.usage(
                        "--workload " + word + " destroys what is on a real disk: --write is needed beside it",
                        "vfio bench " + words + ", which only reads, or --workload " + word
                                + " --write, if all of it may be lost");
            }
        }
    }

    long measureNs() {
        return seconds * NS_PER_SECOND;
    }

    /** Whether the round trips of register reads are to be measured. */
    boolean measuresRegions() {
        return workloads.isEmpty() || workloads.contains(BenchResult.REGION);
    }

    /** What is to be measured of the disk, in this order. */
    List<DiskLoad> loads() {
        List<DiskLoad> loads = new ArrayList<>();
        for (Workload workload : chosen()) {
            for (int depth : queueDepths.isEmpty() ? workload.defaultDepths() : queueDepths) {
                loads.add(new DiskLoad(workload, bytes(workload), depth, queues, waiting.interrupted(), verify));
            }
        }
        return loads;
    }

    BenchTarget.Needs needs(int depth, long bufferBytes) {
        return new BenchTarget.Needs(queues, depth, bufferBytes, waiting.interrupted(), doorbells);
    }

    private int bytes(Workload workload) {
        return blockSize
                .map(size -> Math.toIntExact(Sizes.parse("--block-size", size, "--block-size 4K")))
                .orElse(workload.defaultBytes());
    }

    private List<Workload> chosen() {
        if (!workloads.isEmpty()) {
            return workloads.stream().flatMap(word -> workload(word).stream()).toList();
        }
        return Arrays.stream(Workload.values())
                .filter(workload -> write || !workload.writes())
                .toList();
    }

    private static Optional<Workload> workload(String word) {
        return Arrays.stream(Workload.values())
                .filter(workload -> workload.word().equalsIgnoreCase(word))
                .findFirst();
    }
}
