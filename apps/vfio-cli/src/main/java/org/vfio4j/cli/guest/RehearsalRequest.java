package org.vfio4j.cli.guest;

import java.time.Duration;
import java.util.Optional;
import org.vfio4j.cli.control.ControlSocket;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;

/** A request to a server to {@linkplain MigrationRehearsal rehearse} a migration; the connection's end says that it has. */
public final class RehearsalRequest {

    static final String LINE = "{\"apiVersion\":\"" + Output.API_VERSION + "\",\"kind\":\"Rehearse\"}";

    private static final long SEND_NS = 1_000_000_000L;
    private static final long LIMIT_NS = MigrationRehearsal.MOST_NS + SEND_NS;

    private RehearsalRequest() {}

    /** Who answers such a line. */
    public static Optional<ControlSocket.Conversation> find(String line) {
        return line.equals(LINE)
                ? Optional.of(ControlSocket.Conversation.inPackets(channel -> MigrationRehearsal.run()))
                : Optional.empty();
    }

    /** In this process, and in the one that serves a socket, as far as it is this user's: at the same time, and for some seconds at most. */
    static void perform(String socket) {
        long end = System.nanoTime() + LIMIT_NS;
        Thread there =
                Thread.ofPlatform().daemon().name("vfio-rehearsal-request").start(() -> ask(socket));
        MigrationRehearsal.run();
        try {
            there.join(Duration.ofNanos(Math.max(0, end - System.nanoTime())));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void ask(String socket) {
        Optional<Long> pid = ServerQuery.functions().stream()
                .filter(found -> found.function().socket().equals(socket))
                .map(ServerQuery.Found::pid)
                .findFirst();
        if (pid.isEmpty()) {
            return;
        }
        try (LineSocket lines = new LineSocket(UnixSocket.connect(ServerDirectory.control(pid.get())))) {
            lines.write(LINE, SEND_NS);
            lines.read(1, LIMIT_NS, passed -> {});
        } catch (ErrnoException e) {
            // It has ended without a word, as it should, or does not know this: it is not the worse for it.
            System.getLogger(RehearsalRequest.class.getName())
                    .log(System.Logger.Level.DEBUG, "the server at {0} has rehearsed: {1}", socket, e.getMessage());
        }
    }
}
