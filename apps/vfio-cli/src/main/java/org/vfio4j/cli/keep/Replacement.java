package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.control.ControlSocket;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A supervised server gives way to another one that its keeper starts, and somebody waits for that. He gets two packets of JSON: first the
 * server's, how it was started; then, over the same connection, the keeper's, that the other one serves. Instead of each there may be an error.
 */
public final class Replacement implements AutoCloseable {

    /** The whole request. */
    public static final String REQUEST = "{\"apiVersion\":\"" + Output.API_VERSION + "\",\"kind\":\"Replace\"}";

    private static final String BEGUN = "ReplacementBegun";
    private static final String DONE = "ReplacementDone";
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(10);
    private static final Duration DONE_LIMIT = Duration.ofMinutes(3);
    private static final int MAX_BYTES = 16 << 20;
    private static final System.Logger LOG = System.getLogger(Replacement.class.getName());

    private final FdChannel channel;
    private final List<String> arguments;

    private Replacement(FdChannel channel, List<String> arguments) {
        this.channel = channel;
        this.arguments = arguments;
    }

    /**
     * Another server serves.
     *
     * @param pid its own
     * @param functions how many it serves
     * @param waitedNs how long nobody served
     */
    public record Done(long pid, int functions, long waitedNs) {

        String line() {
            return Output.jsonLine(
                    DONE,
                    List.of(this),
                    (each, json) -> json.object()
                            .field("pid", each.pid())
                            .field("functions", each.functions())
                            .field("waitedNs", each.waitedNs())
                            .end());
        }
    }

    /**
     * Asks a server to give way.
     *
     * @param pid supervised
     * @throws ErrnoException when it does not answer, or does not want to
     */
    public static Replacement ask(long pid) {
        LineSocket lines = new LineSocket(UnixSocket.connect(ServerDirectory.control(pid)));
        FdChannel channel;
        try (lines) {
            lines.write(REQUEST, ANSWER_LIMIT.toNanos());
            channel = new FdChannel(lines.detach());
        }
        try {
            List<String> arguments = new ArrayList<>();
            receive(channel, BEGUN, ANSWER_LIMIT).path("arguments").forEach(word -> arguments.add(word.asString("")));
            return new Replacement(channel, arguments);
        } catch (ErrnoException e) {
            channel.close();
            throw e;
        }
    }

    /** How the server was started: the words behind {@code vfio}. */
    public List<String> arguments() {
        return arguments;
    }

    /**
     * Waits until the other server serves.
     *
     * @throws ErrnoException why it does not
     */
    public Done await() {
        try {
            JsonNode done = receive(channel, DONE, DONE_LIMIT);
            return new Done(
                    done.path("pid").asLong(),
                    done.path("functions").asInt(),
                    done.path("waitedNs").asLong());
        } catch (ErrnoException e) {
            throw e.errno() == ECONNRESET
                    ? new ErrnoException(EIO, "the keeper is gone, or has replaced the server already")
                    : e;
        }
    }

    @Override
    public void close() {
        channel.close();
    }

    /**
     * The server's side: the thread of the control connection runs it.
     *
     * @param arguments how it was started
     */
    public static ControlSocket.Conversation conversation(KeptServer server, List<String> arguments) {
        return client -> {
            // The keeper gets the connection itself.
            try (Fd connection = client.detach();
                    FdChannel channel = new FdChannel(connection.dup())) {
                giveWay(server, arguments, channel, connection);
            }
        };
    }

    private static void giveWay(KeptServer server, List<String> arguments, FdChannel channel, Fd connection) {
        try {
            send(channel, begun(arguments));
            server.replace(List.of(connection));
        } catch (ErrnoException e) {
            LOG.log(Level.INFO, "not replaced: {0}", e.getMessage());
            // Otherwise the keeper tells.
            if (e.errno() != ECONNRESET) {
                long pid = ProcessHandle.current().pid();
                tell(channel, e.errno(), e.getMessage() + "; process " + pid + " serves on");
            }
        }
    }

    /** Tells who has asked what went wrong. */
    static void tell(FdChannel channel, int errno, String message) {
        try {
            send(channel, ServerControl.failure(errno, message));
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "nobody listens any more: {0}", e.getMessage());
        }
    }

    /** Tells him that it is done. */
    static void tell(FdChannel channel, Done done) {
        try {
            send(channel, done.line());
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "nobody listens any more: {0}", e.getMessage());
        }
    }

    private static void send(FdChannel channel, String line) {
        channel.send(line.getBytes(StandardCharsets.UTF_8), List.of(), ANSWER_LIMIT.toNanos());
    }

    private static String begun(List<String> arguments) {
        return Output.jsonLine(
                BEGUN,
                List.of(arguments),
                (words, json) -> json.object()
                        .field("directory", Path.of("").toAbsolutePath().toString())
                        .field("arguments", words)
                        .end());
    }

    private static JsonNode receive(FdChannel channel, String kind, Duration limit) {
        try (FdChannel.Packet packet = channel.receive(MAX_BYTES, limit.toNanos())) {
            JsonNode told = JsonMapper.builder().build().readTree(packet.bytes());
            JsonNode item = told.path("items").path(0);
            String what = told.path("kind").asString("");
            if (what.equals(ControlRequest.ERROR)) {
                String message = item.path("message").asString("");
                throw new CliException(ExitCode.of(item.path("errno").asInt()), message, "vfio ls");
            }
            if (!what.equals(kind)) {
                throw new ErrnoException(EPROTO, "a server that says '" + what + "' and not " + kind);
            }
            return item;
        }
    }
}
