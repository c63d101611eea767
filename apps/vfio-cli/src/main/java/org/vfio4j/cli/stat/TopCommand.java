package org.vfio4j.cli.stat;

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import org.vfio4j.cli.stat.TopScreen.Event;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Figures;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows what functions do just now, again and again. */
@Command(
        name = "top",
        description = "Shows what the functions of this user's serving processes do: requests, latencies, interrupts.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "On a terminal it draws in place until q or ^C; u shows and hides the queues. Otherwise it prints a table, or",
            "with -o json a line, for each interval.",
            "",
            "Examples:",
            "  vfio top",
            "  vfio top --interval 5 -n 3 -o json"
        })
public final class TopCommand implements Runnable {

    private static final double NS_PER_SECOND = 1e9;
    private static final double LEAST_SECONDS = 0.1;
    private static final double MOST_SECONDS = 3600;
    private static final String KEYS = "q quit  u queues";

    @Option(names = "--interval", paramLabel = "SECONDS", description = "How often (default 1, 0.1 to 3600).")
    private double interval = 1;

    @Option(
            names = {"-n", "--count"},
            paramLabel = "COUNT",
            description = "End after so many intervals (default: go on).")
    private int count = Integer.MAX_VALUE;

    @Option(names = "--queues", description = "Each queue by itself as well.")
    private boolean queues;

    @Option(
            names = {"--server", "--pid"},
            paramLabel = "PID",
            description = "Only of this process.")
    private long server;

    @Mixin
    private OutputOption output = new OutputOption();

    private final TopSampler sampler = new TopSampler();

    @Override
    public void run() {
        Limits.check("--interval", interval, LEAST_SECONDS, MOST_SECONDS, "1");
        if (count < 1) {
            throw CliException.usage("-n " + count + ": at least 1 is needed", "-n 1");
        }
        try {
            if (output.isJson() || !TopScreen.isPossible()) {
                print();
            } else {
                draw();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** One table or line after the other. */
    private void print() throws InterruptedException {
        PrintWriter out = output.out();
        StatisticsQuery query = new StatisticsQuery(server, queues);
        sampler.rows(query.all());
        query.needServer();
        if (query.serverCount() == 0) {
            ServerQuery.explainNothing(output.err());
        }
        long next = System.nanoTime();
        for (int i = 0; i < count; i++) {
            next += intervalNs();
            Thread.sleep(Math.max(0, (next - System.nanoTime()) / 1_000_000));
            List<TopSampler.Row> rows = sampler.rows(query.all());
            if (output.isJson()) {
                out.println(TopJson.line(rows));
            } else {
                out.print(i == 0 ? "" : "\n");
                TopTable.lines(rows, Integer.MAX_VALUE).forEach(out::println);
            }
            // A reader that has gone, as head does, wants no more.
            if (out.checkError()) {
                return;
            }
        }
    }

    /** In place, on a terminal. */
    private void draw() {
        StatisticsQuery query = new StatisticsQuery(server, queues);
        List<TopSampler.Row> rows = sampler.rows(query.all());
        query.needServer();
        try (TopScreen screen = TopScreen.open(output.out())) {
            long next = System.nanoTime() + intervalNs();
            int left = count;
            while (true) {
                screen.draw(title(rows, query), table(rows, query, screen.width()), KEYS);
                Event event = screen.await(next - System.nanoTime());
                if (event == Event.QUIT) {
                    return;
                }
                if (event == Event.QUEUES) {
                    queues = !queues;
                    query = query.withQueues(queues);
                    rows = sampler.rows(query.all());
                    next = System.nanoTime() + intervalNs();
                } else if (event == Event.TIME) {
                    if (--left < 0) {
                        return;
                    }
                    rows = sampler.rows(query.all());
                    // After a pause, as of a machine that slept, not all that was missed.
                    next = Math.max(next + intervalNs(), System.nanoTime());
                }
            }
        }
    }

    private String title(List<TopSampler.Row> rows, StatisticsQuery query) {
        return String.format(
                Locale.ROOT,
                "vfio top: %s of %s, every %s s%s",
                counted(rows.size(), "function"),
                counted(query.serverCount(), "server"),
                Figures.decimal(interval),
                query.failures().isEmpty() ? "" : "; " + query.failures().getFirst());
    }

    private static List<String> table(List<TopSampler.Row> rows, StatisticsQuery query, int width) {
        return query.serverCount() == 0
                ? List.of("nobody serves a function here", "try: " + ServerQuery.NOTHING_SERVED)
                : TopTable.lines(rows, width);
    }

    private static String counted(int number, String what) {
        return number + " " + what + (number == 1 ? "" : "s");
    }

    private long intervalNs() {
        return (long) (interval * NS_PER_SECOND);
    }
}
