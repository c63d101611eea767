package org.vfio4j.cli.bench;

import java.io.Console;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.load.DiskLoad;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures a disk. */
@Command(
        name = "bench",
        description =
                "Measures a disk: a vfio-user server's, this project's or another's, or a real one of this machine. Round"
                        + " trips of register reads, and requests of several kinds. Resets the device.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock &",
            "  vfio bench --socket-path /tmp/disk.sock",
            "  vfio bench nvme --socket-path /tmp/nvme.sock --workload mixed --verify --seconds 60",
            "  vfio bench nvme --host 0000:01:00.0"
        })
public final class BenchCommand implements Runnable {

    private static final long NS_PER_SECOND = 1_000_000_000;

    /** For the compilers at both ends: more than before each single measurement. */
    private static final long WARM_UP_NS = 3 * NS_PER_SECOND;

    /** Longer than any wait: it never blocks. */
    private static final long SPIN_NS = 60 * NS_PER_SECOND;

    @Parameters(
            paramLabel = "DEVICE",
            arity = "0..1",
            description = "What it is: virtio-blk or nvme (default virtio-blk).")
    private BenchTarget.Kind kind = BenchTarget.Kind.VIRTIO_BLK;

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init") // by picocli
    private BenchPlace place;

    @Mixin
    private BenchOptions options = new BenchOptions();

    @Option(
            names = "--svg",
            paramLabel = "FILE",
            description = "Also draw a chart of the results into FILE, which is overwritten.")
    private @Nullable Path svg;

    @Mixin
    private OutputOption output = new OutputOption();

    private final List<BenchResult> results = new ArrayList<>();
    private int step;
    private int steps;

    @Override
    public void run() {
        options.check();
        if (place.isHost()) {
            options.checkHarmless(kind + " " + place.words());
        }
        List<DiskLoad> loads = options.loads();
        Map<String, Long> regionLoads = regionLoads();
        steps = loads.size() + regionLoads.size();
        try {
            regionLoads.forEach(this::measureRegions);
            if (!loads.isEmpty()) {
                measureDisk(loads);
            }
        } catch (ErrnoException e) {
            throw new CliException(e, place.hint(e, kind));
        } finally {
            progress("");
        }
        output.print("BenchResult", results, this::printTable);
        if (svg != null) {
            draw(svg);
        }
    }

    /** By name: how long to look for an answer before sleeping, where there is a server to wait for. */
    private Map<String, Long> regionLoads() {
        Map<String, Long> loads = new LinkedHashMap<>();
        if (options.measuresRegions() && place.isHost()) {
            loads.put("region read", 0L);
        } else if (options.measuresRegions()) {
            loads.put("region read, spinning", SPIN_NS);
            loads.put("region read, blocking", 0L);
        }
        return loads;
    }

    private void measureRegions(String name, long spinNs) {
        VfioUserClientOptions waiting = VfioUserClientOptions.DEFAULTS.withSpinNs(spinNs);
        try (VfioDeviceFile file = place.open(waiting).file()) {
            measure(name, () -> new RegionBench(file).run(name, NS_PER_SECOND, options.measureNs()));
        }
    }

    private void measureDisk(List<DiskLoad> loads) {
        int depth = loads.stream().mapToInt(DiskLoad::depth).max().orElseThrow();
        long bytes = loads.stream().mapToLong(DiskLoad::bufferBytes).max().orElseThrow();
        try (BenchTarget target = BenchTarget.open(kind, place, options.needs(depth, bytes))) {
            loads.forEach(load -> BenchFit.check(load, target.disk(), kind.example() + " " + place.words()));
            if (!output.isJson()) {
                output.err().println(target.description());
            }
            DiskBench bench = new DiskBench(target, new CpuTime(target.serverPid()), bytes);
            progress("warming up...");
            // What is read needs no writing, and both depths are compiled before either is measured.
            DiskLoad first = loads.getFirst().reading();
            bench.run(first, WARM_UP_NS / 2, 1);
            bench.run(first.withDepth(1), WARM_UP_NS / 2, 1);
            for (DiskLoad load : loads) {
                measure(
                        load.name() + ", queue depth " + load.depth(),
                        () -> bench.run(load, NS_PER_SECOND, options.measureNs()));
            }
        }
    }

    private void measure(String name, Supplier<BenchResult> measurement) {
        progress("[" + ++step + "/" + steps + "] " + name + "...");
        results.add(measurement.get());
    }

    private void progress(String text) {
        Console console = System.console();
        if (console != null && console.isTerminal()) {
            PrintWriter err = output.err();
            err.print("\r\033[K" + text);
            err.flush();
        }
    }

    private void draw(Path file) {
        try {
            Files.writeString(file, BenchChart.svg(kind + " " + place.title(), results));
        } catch (IOException e) {
            throw new CliException(
                    new ErrnoException(Errno.of(e), "write " + file),
                    "--svg with a file in a directory that you may write");
        }
    }

    private void printTable() {
        Table table = new Table(
                "WHAT",
                "DEPTH",
                "PER SECOND",
                "MB/S",
                "P50 US",
                "P99 US",
                "P99.9 US",
                "MAX US",
                "CPU US",
                "SERVER CPU US");
        for (BenchResult r : results) {
            table.row(
                    r.name(),
                    Integer.toString(r.queueDepth()),
                    String.format(Locale.ROOT, "%.0f", r.perSecond()),
                    tenths(r.megabytesPerSecond()),
                    tenths(r.p50Us()),
                    tenths(r.p99Us()),
                    tenths(r.p999Us()),
                    tenths(r.maxUs()),
                    hundredths(r.clientCpuUs()),
                    hundredths(r.serverCpuUs()));
        }
        output.out().print(table);
    }

    private static String tenths(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }

    private static String hundredths(@Nullable Double value) {
        return value == null ? "-" : String.format(Locale.ROOT, "%.2f", value);
    }
}
