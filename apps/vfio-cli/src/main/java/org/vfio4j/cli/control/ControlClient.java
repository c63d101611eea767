package org.vfio4j.cli.control;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Progress;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** Asks a serving process for something. */
public final class ControlClient {

    private static final int MAX_REPLY_BYTES = 16 << 20;
    private static final Duration GRACE = Duration.ofSeconds(15);
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private ControlClient() {}

    /** Advice for a failure that the process told. */
    public interface Hint {
        String forErrno(int errno);
    }

    /**
     * Sends a request and waits for the reply, with a bar on a terminal when the process has to wait for others.
     *
     * @return the function as it is then; or was, when it has gone; or the one that has come instead of the one that was asked
     * @throws CliException what the process says, with {@code hint}; {@link ExitCode#UNREACHABLE} when it does not answer
     */
    public static ServerQuery.Found ask(ServerQuery.Found function, Request request, PrintWriter err, Hint hint) {
        JsonNode item = item(exchange(function.pid(), request.line(), request.timeout(), err), hint);
        return new ServerQuery.Found(function.pid(), function.sysfs(), ServerDirectory.parseFunction(item));
    }

    /** The same for an auxiliary device. */
    public static ServerQuery.FoundPart ask(
            ServerQuery.FoundPart part, ControlRequest request, PrintWriter err, Hint hint) {
        JsonNode item = item(exchange(part.pid(), request.line(), request.timeout(), err), hint);
        return new ServerQuery.FoundPart(part.pid(), part.sysfs(), ServerDirectory.parseAuxiliary(item));
    }

    /**
     * Asks for what a process's functions have done.
     *
     * @param address of one function, empty for all
     * @throws CliException as {@link #ask}
     */
    public static ServerStatistics statistics(long pid, String address, boolean queues, PrintWriter err) {
        String request = ControlRequest.statistics(address, queues).line();
        return ServerStatistics.parse(item(exchange(pid, request, Duration.ZERO, err), errno -> "vfio ls"));
    }

    /** The item of a reply. */
    public static JsonNode item(JsonNode reply, Hint hint) {
        JsonNode item = reply.path("items").path(0);
        if (reply.path("kind").asString("").equals(ControlRequest.ERROR)) {
            int errno = item.path("errno").asInt();
            String told = item.path("hint").asString("");
            throw new CliException(
                    ExitCode.of(errno),
                    item.path("message").asString(""),
                    told.isEmpty() ? hint.forErrno(errno) : told);
        }
        return item;
    }

    /** Sends a line and waits for the reply, {@code wait} longer than it takes to answer. */
    public static JsonNode exchange(long pid, String request, Duration wait, PrintWriter err) {
        int bytes = request.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > ControlSocket.MAX_REQUEST_BYTES) {
            throw CliException.usage(
                    "a request of " + bytes + " bytes: the limit is " + ControlSocket.MAX_REQUEST_BYTES,
                    "fewer or shorter words");
        }
        try (LineSocket socket = new LineSocket(UnixSocket.connect(ServerDirectory.control(pid)));
                Progress progress = new Progress(err, "waiting", Math.max(1, wait.toNanos()))) {
            socket.write(request, GRACE.toNanos());
            String reply = socket.read(MAX_REPLY_BYTES, wait.plus(GRACE).toNanos(), passed -> {
                if (!wait.isZero()) {
                    progress.at(Math.min(passed, wait.toNanos()));
                }
            });
            return JSON.readTree(reply);
        } catch (ErrnoException | JacksonException e) {
            throw new CliException(
                    ExitCode.UNREACHABLE, "process " + pid + " does not answer: " + e.getMessage(), "vfio ls");
        }
    }
}
