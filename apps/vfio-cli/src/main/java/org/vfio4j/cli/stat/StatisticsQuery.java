package org.vfio4j.cli.stat;

import java.io.PrintWriter;
import java.io.Writer;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/** Asks all serving processes of the user for their statistics. Belongs to one thread. */
final class StatisticsQuery {

    private final long onlyPid;
    private final boolean queues;
    private final PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
    private final List<String> failures = new ArrayList<>();
    private int serverCount;

    /**
     * @param onlyPid of this process alone, 0 for all
     * @param queues whether each queue is wanted by itself
     */
    StatisticsQuery(long onlyPid, boolean queues) {
        this.onlyPid = onlyPid;
        this.queues = queues;
    }

    StatisticsQuery withQueues(boolean wanted) {
        return new StatisticsQuery(onlyPid, wanted);
    }

    /** What those say that answer, by pid. One that ends meanwhile, or does not know the request, is left out. */
    List<ServerStatistics> all() {
        failures.clear();
        serverCount = 0;
        List<ServerStatistics> found = new ArrayList<>();
        for (ServerState server : ServerDirectory.servers()) {
            if (onlyPid != 0 && onlyPid != server.pid()) {
                continue;
            }
            serverCount++;
            try {
                found.add(ControlClient.statistics(server.pid(), "", queues, nowhere));
            } catch (CliException e) {
                failures.add(String.valueOf(e.getMessage()));
            }
        }
        return found;
    }

    /** @throws CliException when there was no process at the last {@link #all} of one alone */
    void needServer() {
        if (onlyPid != 0 && serverCount == 0) {
            throw new CliException(ExitCode.NOT_FOUND, "no serving process " + onlyPid, "vfio ls");
        }
    }

    /** How many processes there were at the last {@link #all}. */
    int serverCount() {
        return serverCount;
    }

    /** What kept processes from answering the last {@link #all}, in a line each. */
    List<String> failures() {
        return List.copyOf(failures);
    }
}
