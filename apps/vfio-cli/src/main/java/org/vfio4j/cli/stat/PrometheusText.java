package org.vfio4j.cli.stat;

import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.devicemodel.LatencySnapshot;
import org.vfio4j.devicemodel.QueueSnapshot;

/** Statistics in Prometheus' text format, version 0.0.4. The names of metrics and labels are part of the interface. */
final class PrometheusText {

    private static final double NS_PER_SECOND = 1e9;

    /** Upper bounds of the histogram's buckets: 1, 2 and 5 in each power of ten, from a microsecond to ten seconds. */
    private static final long[] BOUNDS_NS = {
        1_000,
        2_000,
        5_000,
        10_000,
        20_000,
        50_000,
        100_000,
        200_000,
        500_000,
        1_000_000,
        2_000_000,
        5_000_000,
        10_000_000,
        20_000_000,
        50_000_000,
        100_000_000,
        200_000_000,
        500_000_000,
        1_000_000_000,
        2_000_000_000,
        5_000_000_000L,
        10_000_000_000L
    };

    private final List<ServerStatistics> servers;
    private final StringBuilder text = new StringBuilder();

    private PrometheusText(List<ServerStatistics> servers) {
        this.servers = servers;
    }

    static String of(List<ServerStatistics> servers) {
        PrometheusText all = new PrometheusText(servers);
        all.commands();
        all.bytes();
        all.counter("vfio4j_errors_total", "Commands that were answered with an error.", QueueSnapshot::errors);
        all.counter("vfio4j_slow_commands_total", "Commands that took longer than the threshold.", QueueSnapshot::slow);
        all.counter("vfio4j_notifications_total", "How often the driver has rung.", QueueSnapshot::notifications);
        all.counter("vfio4j_interrupts_total", "How often queues have interrupted.", QueueSnapshot::interrupts);
        all.head("vfio4j_in_flight", "gauge", "Commands taken and not answered.");
        all.each((labels, function) ->
                all.sample("vfio4j_in_flight", labels, function.total().inFlight()));
        all.latencies();
        all.head("vfio4j_queue_cpu_seconds_total", "counter", "Processor time of a function's queue threads.");
        all.each((labels, function) ->
                all.sample("vfio4j_queue_cpu_seconds_total", labels, function.cpuNs() / NS_PER_SECOND));
        all.head("vfio4j_server_cpu_seconds_total", "counter", "Processor time of a serving process.");
        for (ServerStatistics server : servers) {
            all.sample(
                    "vfio4j_server_cpu_seconds_total", "pid=\"" + server.pid() + "\"", server.cpuNs() / NS_PER_SECOND);
        }
        return all.text.toString();
    }

    private interface Each {
        void take(String labels, FunctionStatistics function);
    }

    private void each(Each action) {
        for (ServerStatistics server : servers) {
            for (FunctionStatistics function : server.functions()) {
                action.take(
                        "pid=\"" + server.pid() + "\",function=\"" + function.address() + "\",kind=\"" + function.kind()
                                + "\"",
                        function);
            }
        }
    }

    private void commands() {
        head("vfio4j_commands_total", "counter", "Commands that worked.");
        each((labels, function) -> {
            QueueSnapshot total = function.total();
            sample("vfio4j_commands_total", labels + ",op=\"read\"", total.reads());
            sample("vfio4j_commands_total", labels + ",op=\"write\"", total.writes());
            sample("vfio4j_commands_total", labels + ",op=\"flush\"", total.flushes());
            sample("vfio4j_commands_total", labels + ",op=\"discard\"", total.discards());
            sample("vfio4j_commands_total", labels + ",op=\"other\"", total.others());
        });
    }

    private void bytes() {
        head("vfio4j_bytes_total", "counter", "Bytes that reads gave to the driver and writes took from it.");
        each((labels, function) -> {
            sample(
                    "vfio4j_bytes_total",
                    labels + ",op=\"read\"",
                    function.total().readBytes());
            sample(
                    "vfio4j_bytes_total",
                    labels + ",op=\"write\"",
                    function.total().writtenBytes());
        });
    }

    private void counter(String name, String help, ToLongFunction<QueueSnapshot> counter) {
        head(name, "counter", help);
        each((labels, function) -> sample(name, labels, counter.applyAsLong(function.total())));
    }

    private void latencies() {
        head("vfio4j_command_latency_seconds", "histogram", "How long commands took, failed ones included.");
        each((labels, function) -> {
            latency(labels + ",op=\"read\"", function.total().readLatency());
            latency(labels + ",op=\"write\"", function.total().writeLatency());
            latency(labels + ",op=\"other\"", function.total().otherLatency());
        });
    }

    private void latency(String labels, LatencySnapshot latency) {
        String name = "vfio4j_command_latency_seconds";
        for (long bound : BOUNDS_NS) {
            sample(
                    name + "_bucket",
                    labels + ",le=\"" + number(bound / NS_PER_SECOND) + "\"",
                    latency.countUpTo(bound));
        }
        sample(name + "_bucket", labels + ",le=\"+Inf\"", latency.count());
        sample(name + "_sum", labels, latency.totalNs() / NS_PER_SECOND);
        sample(name + "_count", labels, latency.count());
    }

    private void head(String name, String type, String help) {
        text.append("# HELP ").append(name).append(' ').append(help).append('\n');
        text.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    }

    private void sample(String name, String labels, double value) {
        text.append(name)
                .append('{')
                .append(labels)
                .append("} ")
                .append(number(value))
                .append('\n');
    }

    // Whole numbers as such; others to the nanosecond, without zeroes behind.
    private static String number(double value) {
        if (value == Math.rint(value)) {
            return String.format(Locale.ROOT, "%.0f", value);
        }
        return String.format(Locale.ROOT, "%.9f", value).replaceFirst("0+$", "");
    }
}
