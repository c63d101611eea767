package org.vfio4j.cli.stat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Output;
import org.vfio4j.devicemodel.QueueSnapshot;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows what functions have done since they were made. */
@Command(
        name = "stat",
        description = "Shows what functions have done since they were made, and how long their commands took.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio stat", "  vfio stat 0000:00:01.0 --queues", "  vfio stat -o prometheus"})
public final class StatCommand implements Runnable {

    /** How the numbers are printed. */
    enum Format {
        TABLE,
        JSON,
        PROMETHEUS
    }

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec command;

    @Parameters(
            paramLabel = "ID",
            description = "Address (0000:00:01.0), VFIO device (vfio0) or socket, or an mdev's uuid (default: all).")
    private List<String> ids = List.of();

    @Option(
            names = {"--server", "--pid"},
            paramLabel = "PID",
            description = "Only of this process.")
    private long server;

    @Option(names = "--queues", description = "Each queue by itself as well.")
    private boolean queues;

    @Option(
            names = {"-o", "--output"},
            description = "table, json or prometheus (default table).")
    private Format format = Format.TABLE;

    @Override
    public void run() {
        StatisticsQuery query = new StatisticsQuery(server, queues);
        List<ServerStatistics> all = query.all();
        query.needServer();
        List<ServerStatistics> chosen = ids.isEmpty() ? all : choose(all);
        String text = switch (format) {
            case JSON -> Output.json("Statistics", reports(chosen)) + "\n";
            case PROMETHEUS -> PrometheusText.of(chosen);
            case TABLE -> StatTable.of(chosen, queues);
        };
        boolean isEmpty = chosen.stream().allMatch(each -> each.functions().isEmpty());
        if (isEmpty && format == Format.TABLE) {
            explainNothing(query);
        } else {
            command.commandLine().getOut().print(text);
        }
        command.commandLine().getOut().flush();
        query.failures().forEach(failure -> command.commandLine().getErr().println("vfio: " + failure));
    }

    private void explainNothing(StatisticsQuery query) {
        if (query.serverCount() == 0) {
            ServerQuery.explainNothing(command.commandLine().getErr());
        } else {
            command.commandLine().getErr().println("vfio: no function here counts what it does");
            command.commandLine().getErr().println("try: " + ServerQuery.NOTHING_SERVED);
        }
    }

    private List<ServerStatistics> choose(List<ServerStatistics> all) {
        for (String id : ids) {
            if (all.stream().flatMap(each -> each.functions().stream()).noneMatch(function -> isNamed(function, id))) {
                boolean exists = ServerQuery.functions().stream()
                                .anyMatch(found -> found.function().address().equals(id))
                        || ServerQuery.mdevs().stream()
                                .anyMatch(found -> found.mdev().uuid().equals(id));
                throw exists
                        ? new CliException(ExitCode.UNSUPPORTED, "function " + id + " does not count", "vfio stat")
                        : new CliException(
                                ExitCode.NOT_FOUND, "no function " + id + " in a serving process", "vfio ls");
            }
        }
        return all.stream()
                .map(each -> new ServerStatistics(
                        each.pid(),
                        each.timeNs(),
                        each.cpuNs(),
                        each.functions().stream()
                                .filter(function -> ids.stream().anyMatch(id -> isNamed(function, id)))
                                .toList()))
                .toList();
    }

    // An empty word, as of a shell's unset variable, means none.
    private static boolean isNamed(FunctionStatistics function, String id) {
        return !id.isEmpty()
                && (id.equals(function.address())
                        || ("0000:" + id).equals(function.address())
                        || id.equals(function.vfioDevice())
                        || Path.of(id).toAbsolutePath().toString().equals(function.socket()));
    }

    private static List<FunctionReport> reports(List<ServerStatistics> servers) {
        List<FunctionReport> reports = new ArrayList<>();
        for (ServerStatistics each : servers) {
            each.functions().forEach(function -> reports.add(FunctionReport.of(each.pid(), function)));
        }
        return reports;
    }

    /** A function as JSON tells it. */
    record FunctionReport(
            long pid,
            String address,
            String kind,
            String description,
            String vfioDevice,
            String socket,
            long queueCpuNs,
            long slowNs,
            QueueReport total,
            List<QueueReport> queues) {

        static FunctionReport of(long pid, FunctionStatistics function) {
            return new FunctionReport(
                    pid,
                    function.address(),
                    function.kind(),
                    function.description(),
                    function.vfioDevice(),
                    function.socket(),
                    function.cpuNs(),
                    function.slowNs(),
                    QueueReport.of(function.total()),
                    function.queues().stream().map(QueueReport::of).toList());
        }
    }

    /** A queue, or with the number -1 all of a function. */
    record QueueReport(
            int queue,
            long reads,
            long writes,
            long flushes,
            long discards,
            long others,
            long readBytes,
            long writtenBytes,
            long errors,
            long slow,
            long inFlight,
            long notifications,
            long interrupts,
            LatencyReport readLatency,
            LatencyReport writeLatency,
            LatencyReport otherLatency) {

        static QueueReport of(QueueSnapshot queue) {
            return new QueueReport(
                    queue.queue(),
                    queue.reads(),
                    queue.writes(),
                    queue.flushes(),
                    queue.discards(),
                    queue.others(),
                    queue.readBytes(),
                    queue.writtenBytes(),
                    queue.errors(),
                    queue.slow(),
                    queue.inFlight(),
                    queue.notifications(),
                    queue.interrupts(),
                    LatencyReport.of(queue.readLatency()),
                    LatencyReport.of(queue.writeLatency()),
                    LatencyReport.of(queue.otherLatency()));
        }
    }
}
