package org.vfio4j.cli.stat;

import static org.vfio4j.cli.text.Grid.Column.number;
import static org.vfio4j.cli.text.Grid.Column.text;

import java.util.List;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.cli.text.Figures;
import org.vfio4j.cli.text.Grid;
import org.vfio4j.devicemodel.LatencySnapshot;
import org.vfio4j.devicemodel.QueueSnapshot;

/** The tables of {@code vfio stat}: counters of each function, then how long its commands took. */
final class StatTable {

    private StatTable() {}

    static String of(List<ServerStatistics> servers, boolean queues) {
        Grid counters = new Grid(List.of(
                text("FUNCTION", 0),
                text("KIND", 0),
                text("PID", 0),
                number("READS", 0),
                number("WRITES", 0),
                number("FLUSHES", 0),
                number("DISCARDS", 0),
                number("OTHER", 0),
                number("READ", 0),
                number("WRITTEN", 0),
                number("ERRORS", 0),
                number("SLOW", 0),
                number("IN FLIGHT", 0),
                number("RINGS", 0),
                number("IRQS", 0),
                number("CPU", 0)));
        Grid latencies = new Grid(List.of(
                text("FUNCTION", 0),
                text("COMMANDS", 0),
                number("COUNT", 0),
                number("MEAN", 0),
                number("P50", 0),
                number("P90", 0),
                number("P99", 0),
                number("P99.9", 0),
                number("MAX", 0)));
        for (ServerStatistics server : servers) {
            for (FunctionStatistics function : server.functions()) {
                String pid = Long.toString(server.pid());
                String cpu = Figures.duration(function.cpuNs());
                counters.row(counters(function.address(), function.kind(), pid, function.total(), cpu));
                latencies(latencies, function.address(), function.total());
                for (QueueSnapshot queue : queues ? function.queues() : List.<QueueSnapshot>of()) {
                    String name = "  queue " + queue.queue();
                    counters.row(counters(name, "", "", queue, ""));
                    latencies(latencies, name, queue);
                }
            }
        }
        return counters + "\n" + latencies;
    }

    private static List<String> counters(String name, String kind, String pid, QueueSnapshot queue, String cpu) {
        return List.of(
                name,
                kind,
                pid,
                Long.toString(queue.reads()),
                Long.toString(queue.writes()),
                Long.toString(queue.flushes()),
                Long.toString(queue.discards()),
                Long.toString(queue.others()),
                Figures.bytes(queue.readBytes()),
                Figures.bytes(queue.writtenBytes()),
                Long.toString(queue.errors()),
                Long.toString(queue.slow()),
                Long.toString(queue.inFlight()),
                Long.toString(queue.notifications()),
                Long.toString(queue.interrupts()),
                cpu);
    }

    private static void latencies(Grid grid, String name, QueueSnapshot queue) {
        grid.row(latency(name, "reads", queue.readLatency()));
        grid.row(latency("", "writes", queue.writeLatency()));
        grid.row(latency("", "other", queue.otherLatency()));
    }

    private static List<String> latency(String name, String commands, LatencySnapshot latency) {
        long count = latency.count();
        if (count == 0) {
            String none = Figures.NONE;
            return List.of(name, commands, "0", none, none, none, none, none, none);
        }
        return List.of(
                name,
                commands,
                Long.toString(count),
                Figures.duration((double) latency.totalNs() / count),
                Figures.duration(latency.percentileNs(50)),
                Figures.duration(latency.percentileNs(90)),
                Figures.duration(latency.percentileNs(99)),
                Figures.duration(latency.percentileNs(99.9)),
                Figures.duration(latency.maxNs()));
    }
}
