package org.vfio4j.cli.demo;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.cli.load.LatencyHistogram;
import org.vfio4j.cli.serve.UpgradeCommand;
import org.vfio4j.cli.text.Table;

/** The part of the demonstration in which a server is replaced by a new process, once or many times, while clients use it. */
final class DemoUpgrades {

    /** What happens at the end, while the last process serves. */
    interface Ending {
        void run() throws InterruptedException;
    }

    private static final long WORK_MS = 500;

    /** The same load left alone, which says what the machine makes of it. */
    private static final int CALM_TURNS = 10;

    private static final long CALM_MS = 2000;
    private static final double NS_PER_MS = 1e6;
    private static final String TOOK_OVER = "took over";
    private static final Pattern WAITED = Pattern.compile("waited for ([0-9.]+) ms");

    private final DemoServer server;
    private final Path disk;
    private final PrintWriter out;
    private final LatencyHistogram unserved = new LatencyHistogram();
    private final LatencyHistogram waits = new LatencyHistogram();
    private final LatencyHistogram calmWaits = new LatencyHistogram();
    private long requests;

    /** @param disk the socket of a disk that it serves and nobody uses */
    DemoUpgrades(DemoServer server, Path disk, PrintWriter out) {
        this.server = server;
        this.disk = disk;
        this.out = out;
    }

    void run(int times, Ending ending) throws InterruptedException {
        VfioProcess now = server.process();
        try (DemoLoad load = DemoLoad.open(disk)) {
            for (int i = 0; i < CALM_TURNS && times > 1; i++) {
                calm(load);
            }
            for (int i = 0; i < times; i++) {
                VfioProcess before = now;
                now = VfioProcess.start(server.directory(), UpgradeCommand.NAME, Long.toString(before.pid()));
                if (i == 0) {
                    out.println("  $ " + now.line());
                    out.flush();
                }
                String says = upgrade(before, now, load);
                if (times == 1) {
                    out.println("  " + says);
                }
            }
            report(times);
            ending.run();
        } finally {
            now.close();
        }
    }

    private void calm(DemoLoad load) throws InterruptedException {
        Future<Long> working = load.begin();
        DemoLoad.Result result;
        try {
            Thread.sleep(CALM_MS);
        } finally {
            result = load.end(working);
        }
        calmWaits.record(result.longestWaitNs());
    }

    /** Returns what the new process says. */
    private String upgrade(VfioProcess before, VfioProcess after, DemoLoad load) throws InterruptedException {
        Future<Long> working = load.begin();
        DemoLoad.Result result;
        String says;
        try {
            says = after.await(TOOK_OVER);
            before.awaitEnd();
            Thread.sleep(WORK_MS);
        } finally {
            result = load.end(working);
        }
        Matcher waited = WAITED.matcher(says);
        if (waited.find()) {
            unserved.record((long) (Double.parseDouble(waited.group(1)) * NS_PER_MS));
        }
        waits.record(result.longestWaitNs());
        requests += result.requests();
        return says;
    }

    private void report(int times) {
        out.printf(Locale.ROOT, "  the driver made %,d requests, and read each block as it had written it%n", requests);
        if (times == 1) {
            out.printf(Locale.ROOT, "  its longest wait for a completion: %.1f ms%n", waits.max() / NS_PER_MS);
            return;
        }
        Table table = new Table("  " + times + " UPGRADES", "P50 MS", "P90 MS", "P99 MS", "MAX MS");
        row(table, "  nobody served", unserved);
        row(table, "  the driver's longest wait", waits);
        row(table, "  its longest wait without an upgrade", calmWaits);
        out.print(table);
    }

    private static void row(Table table, String what, LatencyHistogram times) {
        table.row(what, ms(times.percentile(50)), ms(times.percentile(90)), ms(times.percentile(99)), ms(times.max()));
    }

    private static String ms(long ns) {
        return String.format(Locale.ROOT, "%.1f", ns / NS_PER_MS);
    }
}
