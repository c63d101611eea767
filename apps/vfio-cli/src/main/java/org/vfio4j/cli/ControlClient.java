package org.vfio4j.cli;

import java.io.PrintWriter;
import java.time.Duration;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** Asks a serving process for something. */
final class ControlClient {

    private static final int MAX_REPLY_BYTES = 1 << 20;
    private static final Duration GRACE = Duration.ofSeconds(15);
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private ControlClient() {}

    /** Advice for a failure that the process told. */
    interface Hint {
        String forErrno(int errno);
    }

    /**
     * Sends a request and waits for the reply, with a bar on a terminal when the process has to wait for others.
     *
     * @return the function as it is then
     * @throws CliException what the process says, with {@code hint}; {@link ExitCode#UNREACHABLE} when it does not answer
     */
    static ServerQuery.Found ask(ServerQuery.Found function, ControlRequest request, PrintWriter err, Hint hint) {
        JsonNode reply = exchange(function.pid(), request.line(), request.timeoutMs(), err);
        JsonNode item = reply.path("items").path(0);
        if (reply.path("kind").asString("").equals(ControlRequest.ERROR)) {
            int errno = item.path("errno").asInt();
            throw new CliException(ExitCode.of(errno), item.path("message").asString(""), hint.forErrno(errno));
        }
        return new ServerQuery.Found(function.pid(), function.sysfs(), ServerDirectory.parseFunction(item));
    }

    /** Sends a line and waits for the reply, {@code waitMs} longer than it takes to answer. */
    static JsonNode exchange(long pid, String line, long waitMs, PrintWriter err) {
        Duration wait = Duration.ofMillis(waitMs);
        try (LineSocket socket = new LineSocket(UnixSocket.connect(ServerDirectory.control(pid)));
                Progress progress = new Progress(err, "waiting", Math.max(1, wait.toNanos()))) {
            socket.write(line, GRACE.toNanos());
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
