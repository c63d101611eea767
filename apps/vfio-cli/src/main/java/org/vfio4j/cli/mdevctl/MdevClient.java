package org.vfio4j.cli.mdevctl;

import java.io.PrintWriter;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.control.MdevRequest;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.mdev.MdevTypeState;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerOption;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import tools.jackson.databind.JsonNode;

/** Asks serving processes about mdevs, for one command. */
final class MdevClient {

    private static final System.Logger LOG = System.getLogger(MdevClient.class.getName());

    private final PrintWriter err;

    /** @param err where people see that a process takes its time */
    MdevClient(PrintWriter err) {
        this.err = err;
    }

    /** The types of all parents of all processes. */
    List<MdevTypeState> types() {
        return all(MdevRequest.ask(MdevRequest.TYPES), MdevTypeState::parse);
    }

    /** The mdevs of all processes. */
    List<MdevState> active() {
        return all(MdevRequest.ask(MdevRequest.LIST), MdevState::parse);
    }

    /**
     * Has the process start an mdev that has its parent.
     *
     * @param server which, when several have one; otherwise the first
     * @throws CliException {@link ExitCode#NOT_FOUND} when none has such a parent; what the process says
     */
    MdevState start(MdevDefinition definition, String socket, ServerOption server) {
        long pid = types().stream()
                .filter(type -> type.parent().equals(definition.parent()) && server.isMeant(type.pid()))
                .findFirst()
                .orElseThrow(() -> new CliException(
                        ExitCode.NOT_FOUND,
                        "no serving process has mdev parent " + definition.parent(),
                        "vfio mdev types, or vfio serve mtty"))
                .pid();
        return MdevState.parse(item(pid, MdevRequest.start(definition, socket), "vfio mdev list, vfio mdev types"));
    }

    /** Has a process stop an mdev that it has. */
    MdevState stop(MdevState mdev, long timeoutMs) {
        return MdevState.parse(item(
                mdev.pid(),
                MdevRequest.stop(mdev.uuid(), timeoutMs),
                "end what uses it, such as its virtual machine, or a longer --timeout"));
    }

    private <T> List<T> all(MdevRequest request, Function<JsonNode, T> parse) {
        List<T> found = new ArrayList<>();
        for (ServerState server : ServerDirectory.servers()) {
            try {
                JsonNode reply = ControlClient.exchange(server.pid(), request.line(), Duration.ZERO, err);
                // An older process knows nothing of mdevs, and has none.
                if (!isError(reply)) {
                    reply.path("items").forEach(item -> found.add(parse.apply(item)));
                }
            } catch (CliException e) {
                // It has ended just now, and its mdevs with it.
                LOG.log(Level.DEBUG, "mdevs of process {0}: {1}", server.pid(), e.getMessage());
            }
        }
        return found;
    }

    private JsonNode item(long pid, MdevRequest request, String hint) {
        return ControlClient.item(ControlClient.exchange(pid, request.line(), request.timeout(), err), errno -> hint);
    }

    private static boolean isError(JsonNode reply) {
        return reply.path("kind").asString("").equals(ControlRequest.ERROR);
    }
}
