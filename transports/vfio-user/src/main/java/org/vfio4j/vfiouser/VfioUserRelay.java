package org.vfio4j.vfiouser;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;

/**
 * Stands between the clients of a socket and their server, in a process of its own, so that a client survives its server: it stays
 * connected, waits, and goes on with another one that takes its place ({@link #resume}, {@link VfioUserServer#resume}).
 *
 * <p>One client is let in at a time, as a server does. Memory, interrupts and rings are shared between client and server without the
 * relay. Any thread may call the public methods.
 */
public final class VfioUserRelay implements AutoCloseable {

    private static final int BACKLOG = 16;

    private final EventLoop loop;
    private final Path inner;
    private final ServerLife serverLife;
    private final Fd listening;
    private final Fd innerListening;
    private final SocketPath socketFile;
    private final PeerLog log;
    private final Acceptor acceptor;

    // What follows belongs to the loop's thread.
    private boolean serving;
    private boolean closed;
    private @Nullable Relay relay;

    /**
     * A server that dies, or ends, is replaced, and its clients wait for that. One that lives for long after it has ended a connection had
     * a reason to: its client is let go.
     *
     * @param lives whether it does; asked on the loop's thread
     * @param end how long it may take to end
     */
    public record ServerLife(BooleanSupplier lives, Duration end) {}

    private VfioUserRelay(
            EventLoop loop, SocketPath socketFile, Path inner, ServerLife serverLife, Fd listening, Fd innerListening) {
        this.loop = loop;
        this.inner = inner;
        this.serverLife = serverLife;
        this.listening = listening;
        this.innerListening = innerListening;
        this.socketFile = socketFile;
        log = new PeerLog("vfio-user client at " + socketFile.path());
        acceptor = new Acceptor(loop, listening, log, () -> !closed && serving && relay == null, this::letIn);
    }

    /**
     * Listens at {@code path}; lets nobody in before {@link #setServing}.
     *
     * @param inner where servers are to find its connections: a path that nobody else reaches
     * @param serverLife of the process that serves, or did
     * @throws ErrnoException as {@link UnixSocket#listen}
     */
    public static VfioUserRelay listen(EventLoop loop, Path path, Path inner, ServerLife serverLife) {
        UnixSocket.Listening at = UnixSocket.listenAt(path, BACKLOG);
        SocketPath file = SocketPath.of(path, at.file());
        try {
            Fd innerListening = UnixSocket.listen(inner, BACKLOG);
            return new VfioUserRelay(loop, file, inner, serverLife, at.socket(), innerListening);
        } catch (RuntimeException e) {
            at.socket().close();
            throw e;
        }
    }

    /** The socket that a server accepts its connections from: a duplicate, the caller's. */
    public Fd innerListening() {
        return innerListening.dup();
    }

    /**
     * Has another server go on with the client that is connected. The one before has ended.
     *
     * @return what it needs for that, the caller's; empty when nobody is connected, or could be gone on with
     */
    public Optional<ServerHandover> resume() {
        return ask(() -> relay == null ? Optional.empty() : relay.resume());
    }

    /** Whether there is a server, or will be in a moment: otherwise new clients wait. */
    public void setServing(boolean serves) {
        ask(() -> {
            serving = serves;
            if (serves) {
                acceptor.start();
            } else {
                acceptor.stop();
            }
            return serves;
        });
    }

    /** Whether a client is connected. */
    public boolean hasClient() {
        return ask(() -> relay != null);
    }

    /** Lets the client go and removes the socket. */
    @Override
    public void close() {
        ask(() -> {
            if (!closed) {
                closed = true;
                acceptor.stop();
                if (relay != null) {
                    relay.end();
                }
                listening.close();
                innerListening.close();
                socketFile.removeIfSame();
            }
            return true;
        });
    }

    private <T> T ask(Supplier<T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        loop.execute(() -> {
            try {
                answer.complete(question.get());
            } catch (RuntimeException e) {
                answer.completeExceptionally(e);
            }
        });
        try {
            return answer.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ErrnoException refused ? refused : e;
        }
    }

    private void letIn(Fd client) {
        relay = new Relay(loop, client, UnixSocket.connectNow(inner), log, this::serverGone, this::clientGone);
    }

    private void serverGone() {
        Relay left = relay;
        int generation = left == null ? 0 : left.generation();
        CompletableFuture.delayedExecutor(serverLife.end().toMillis(), TimeUnit.MILLISECONDS)
                .execute(() -> loop.execute(() -> endUnlessDead(left, generation)));
    }

    private void endUnlessDead(@Nullable Relay left, int generation) {
        Relay now = relay;
        if (now != null
                && now.equals(left)
                && now.generation() == generation
                && !now.hasServer()
                && serving
                && serverLife.lives().getAsBoolean()) {
            log.warn("connection ended: the server has ended it");
            now.end();
        }
    }

    private void clientGone() {
        relay = null;
        acceptor.start();
    }
}
