package org.vfio4j.cli.stat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.devicemodel.QueueSnapshot;

/** Makes rates of what serving processes say one time and the next. Belongs to one thread. */
final class TopSampler {

    /**
     * A function as it is shown.
     *
     * @param seconds how long the interval was; 0 for a function that has appeared in it, of which there are no rates
     * @param cpu of its queue threads, 1 for one processor
     * @param serverCpu of its whole process
     */
    record Row(
            long pid,
            FunctionStatistics function,
            double seconds,
            Optional<Rates> total,
            List<QueueRow> queues,
            double cpu,
            double serverCpu) {}

    record QueueRow(int queue, Optional<Rates> rates) {}

    private static final double NS_PER_SECOND = 1e9;

    private Map<Long, ServerStatistics> before = Map.of();

    /** The rates since the last call. A process that has gone is not there; one that is new has no rates. */
    List<Row> rows(List<ServerStatistics> servers) {
        Map<Long, ServerStatistics> now = new HashMap<>();
        List<Row> rows = new ArrayList<>();
        for (ServerStatistics server : servers) {
            now.put(server.pid(), server);
            Optional<ServerStatistics> earlier =
                    Optional.ofNullable(before.get(server.pid())).filter(known -> server.timeNs() > known.timeNs());
            server.functions().forEach(function -> rows.add(row(earlier, server, function)));
        }
        before = now;
        return rows;
    }

    private static Row row(Optional<ServerStatistics> earlier, ServerStatistics server, FunctionStatistics function) {
        Optional<FunctionStatistics> known = earlier.flatMap(before -> before.functions().stream()
                .filter(each -> each.address().equals(function.address()))
                .findFirst());
        long ns = known.isEmpty() ? 0 : server.timeNs() - earlier.orElseThrow().timeNs();
        List<QueueRow> queues = function.queues().stream()
                .map(queue -> new QueueRow(
                        queue.queue(),
                        known.flatMap(before -> queue(before, queue.queue()))
                                .map(before -> Rates.between(before, queue, ns))))
                .toList();
        return new Row(
                server.pid(),
                function,
                ns / NS_PER_SECOND,
                known.map(before -> Rates.between(before.total(), function.total(), ns)),
                queues,
                share(function.cpuNs() - known.map(FunctionStatistics::cpuNs).orElse(0L), ns),
                share(server.cpuNs() - earlier.map(ServerStatistics::cpuNs).orElse(0L), ns));
    }

    private static Optional<QueueSnapshot> queue(FunctionStatistics function, int number) {
        return function.queues().stream()
                .filter(queue -> queue.queue() == number)
                .findFirst();
    }

    private static double share(long cpuNs, long ns) {
        return ns == 0 ? 0 : Math.max(0, (double) cpuNs / ns);
    }
}
