package org.vfio4j.cli;

import java.io.Console;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures a server. */
@Command(
        name = "bench",
        description =
                "Measures a vfio-user virtio-blk server, this project's or another's: round trips of register reads, and"
                        + " random 4 KiB requests. Resets the device.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Example:",
            "  vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock &",
            "  vfio bench --socket-path /tmp/disk.sock"
        })
final class BenchCommand implements Runnable {

    private static final long NS_PER_SECOND = 1_000_000_000;
    private static final long MAX_SECONDS = 3600;
    private static final int MAX_DEPTH = 1024;

    /** For the compilers at both ends: more than before each single measurement. */
    private static final long WARM_UP_NS = 3 * NS_PER_SECOND;

    /** Longer than any wait: it never blocks. */
    private static final long SPIN_NS = 60 * NS_PER_SECOND;

    @Option(names = "--socket-path", paramLabel = "PATH", required = true, description = "Where the server listens.")
    @SuppressWarnings("NullAway.Init") // by picocli
    private Path socketPath;

    @Option(names = "--seconds", paramLabel = "N", description = "For each measurement (default 3).")
    private long seconds = 3;

    @Option(
            names = "--queue-depth",
            paramLabel = "N",
            split = ",",
            description = "Requests in flight at a time (default 1,32,128).")
    private List<Integer> queueDepths = List.of(1, 32, 128);

    @Option(names = "--write", description = "Measure writes as well. THIS DESTROYS WHAT IS ON THE DISK.")
    private boolean write;

    @Mixin
    private OutputOption output = new OutputOption();

    private final List<BenchResult> results = new ArrayList<>();
    private int step;

    @Override
    public void run() {
        check();
        try {
            measureRegions();
            measureDisk();
        } catch (ErrnoException e) {
            throw new CliException(e, hint(e));
        } finally {
            progress("");
        }
        output.print("BenchResult", results, this::printTable);
    }

    private void check() {
        if (seconds < 1 || seconds > MAX_SECONDS) {
            throw CliException.usage("--seconds " + seconds + ": the limits are 1 and " + MAX_SECONDS, "--seconds 3");
        }
        for (int depth : queueDepths) {
            if (depth < 1 || depth > MAX_DEPTH) {
                throw CliException.usage(
                        "--queue-depth " + depth + ": the limits are 1 and " + MAX_DEPTH, "--queue-depth 1,32,128");
            }
        }
    }

    private void measureRegions() {
        VfioUserClientOptions options = VfioUserClientOptions.DEFAULTS;
        try (VfioUserClient client = VfioUserClient.connect(socketPath, options.withSpinNs(SPIN_NS))) {
            measure(
                    "region read, spinning",
                    () -> new RegionBench(client).run("region read, spinning", NS_PER_SECOND, ns()));
        }
        try (VfioUserClient client = VfioUserClient.connect(socketPath, options.withSpinNs(0))) {
            measure(
                    "region read, blocking",
                    () -> new RegionBench(client).run("region read, blocking", NS_PER_SECOND, ns()));
        }
    }

    private void measureDisk() {
        int most = queueDepths.stream().mapToInt(Integer::intValue).max().orElse(1);
        VirtioBlkOptions options = VirtioBlkOptions.DEFAULTS
                .withQueueSize(Math.max(VirtioBlkOptions.DEFAULTS.queueSize(), Integer.highestOneBit(2 * most - 1)))
                .withBufferBytes((long) most * DiskBench.BYTES)
                .withInterrupts(false);
        // As a guest does: nobody waits for the answer to a doorbell.
        VfioUserClientOptions posted = VfioUserClientOptions.DEFAULTS.withPostedWrites(true);
        try (VfioUserClient client = VfioUserClient.connect(socketPath, posted);
                VirtioBlkDriver driver = VirtioBlkDriver.open(client, options)) {
            checkDisk(driver, most);
            DiskBench bench = new DiskBench(driver, most);
            progress("warming up...");
            bench.warmUp(most, WARM_UP_NS);
            for (int depth : queueDepths) {
                measure(
                        "4 KiB random read, queue depth " + depth,
                        () -> bench.run("4 KiB random read", false, depth, NS_PER_SECOND, ns()));
            }
            if (write) {
                for (int depth : queueDepths) {
                    measure(
                            "4 KiB random write, queue depth " + depth,
                            () -> bench.run("4 KiB random write", true, depth, NS_PER_SECOND, ns()));
                }
            }
        }
    }

    private void checkDisk(VirtioBlkDriver driver, int depth) {
        if (driver.capacityBytes() < DiskBench.BYTES) {
            throw new CliException(
                    ExitCode.UNSUPPORTED,
                    "a disk of " + driver.capacityBytes() + " bytes: " + DiskBench.BYTES + " are needed",
                    "vfio serve virtio-blk memory=512M --socket-path " + socketPath);
        }
        if (write && driver.readOnly()) {
            throw new CliException(ExitCode.PERMISSION, "the disk is read-only", "vfio bench without --write");
        }
        if (depth > driver.queue(0).depth()) {
            throw CliException.usage(
                    "--queue-depth " + depth + ": the disk's queue has room for "
                            + driver.queue(0).depth(),
                    "--queue-depth " + driver.queue(0).depth());
        }
    }

    private void measure(String name, Supplier<BenchResult> measurement) {
        int steps = 2 + queueDepths.size() * (write ? 2 : 1);
        progress("[" + ++step + "/" + steps + "] " + name + "...");
        results.add(measurement.get());
    }

    private long ns() {
        return seconds * NS_PER_SECOND;
    }

    private void progress(String text) {
        Console console = System.console();
        if (console != null && console.isTerminal()) {
            PrintWriter err = output.err();
            err.print("\r\033[K" + text);
            err.flush();
        }
    }

    private String hint(ErrnoException e) {
        return switch (ExitCode.of(e.errno())) {
            case ExitCode.NOT_FOUND, ExitCode.UNREACHABLE ->
                "vfio serve virtio-blk memory=512M --socket-path " + socketPath;
            case ExitCode.TIMEOUT -> "wait until no other client is connected to " + socketPath;
            default -> "vfio bench --help";
        };
    }

    private void printTable() {
        Table table = new Table("WHAT", "DEPTH", "PER SECOND", "MB/S", "P50 US", "P99 US", "P99.9 US");
        for (BenchResult r : results) {
            table.row(
                    r.name(),
                    Integer.toString(r.queueDepth()),
                    String.format(Locale.ROOT, "%.0f", r.perSecond()),
                    String.format(Locale.ROOT, "%.1f", r.megabytesPerSecond()),
                    String.format(Locale.ROOT, "%.1f", r.p50Us()),
                    String.format(Locale.ROOT, "%.1f", r.p99Us()),
                    String.format(Locale.ROOT, "%.1f", r.p999Us()));
        }
        output.out().print(table);
    }
}
