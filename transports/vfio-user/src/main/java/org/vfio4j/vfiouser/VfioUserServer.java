package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Epoll.EPOLLIN;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNABORTED;
import static org.vfio4j.sys.Errno.EINTR;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfio.LocalDeviceFile;

/**
 * Serves one open device to one vfio-user client after the other (vfio-user specification; unix sockets only).
 *
 * <p>While a client is connected others wait in the socket's backlog. When it goes, its memory maps and interrupt descriptors
 * go with it, and the device keeps its state for the next one. Any thread may call the public methods.
 */
public final class VfioUserServer implements AutoCloseable {

    private static final Logger LOG = System.getLogger(VfioUserServer.class.getName());
    private static final int BACKLOG = 16;
    private static final long ACCEPT_PAUSE_NS = 100_000_000;

    private final EventLoop loop;
    private final Fd listening;
    private final Optional<SocketPath> socketFile;
    private final LocalDeviceFile file;
    private final VfioUserServerOptions options;
    private final PeerLog log;
    private final Counters counters = new Counters();
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Acceptor acceptor = new Acceptor();

    // What follows belongs to the loop's thread.
    private long token;
    private boolean accepting;
    private boolean closing;
    private boolean leaving;
    private @Nullable Connection connection;

    private VfioUserServer(
            EventLoop loop,
            Fd listening,
            Optional<SocketPath> socketFile,
            LocalDeviceFile file,
            VfioUserServerOptions options) {
        this.loop = loop;
        this.listening = listening;
        this.socketFile = socketFile;
        this.file = file;
        this.options = options;
        log = new PeerLog("vfio-user client of " + file.device().parentName());
        UnixSocket.setNonBlocking(listening, true);
        loop.execute(this::accept);
    }

    /**
     * Listens at {@code path} and serves {@code file}.
     *
     * @param file an open device; the server closes it when it is closed itself, and leaves it to the caller when this throws
     * @throws ErrnoException EADDRINUSE when a server listens there already, EEXIST when there is another file; what bind says
     */
    public static VfioUserServer listen(
            EventLoop loop, Path path, LocalDeviceFile file, VfioUserServerOptions options) {
        Fd listening = UnixSocket.listen(path, BACKLOG);
        try {
            return new VfioUserServer(loop, listening, Optional.of(SocketPath.of(path)), file, options);
        } catch (RuntimeException e) {
            listening.close();
            throw e;
        }
    }

    /** Serves {@code file} on a socket that listens already, and is the server's from now on. */
    public static VfioUserServer adopt(
            EventLoop loop, Fd listening, LocalDeviceFile file, VfioUserServerOptions options) {
        return new VfioUserServer(loop, listening, Optional.empty(), file, options);
    }

    /** What it has done so far. */
    public VfioUserStatistics statistics() {
        return counters.snapshot();
    }

    /** Lets the client go, stops listening, removes the socket file and closes the device. Returns when all of it is done. */
    @Override
    public void close() {
        if (loop.isLoopThread()) {
            throw new IllegalStateException("a server cannot wait for its own loop");
        }
        loop.execute(this::startClosing);
        boolean interrupted = false;
        while (true) {
            try {
                ended.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Closes when the client goes that is connected now, or at once when there is none; nobody else is let in. For a device that
     * is wanted back, whose user is asked to let go.
     *
     * @return whether a client is waited for
     */
    public boolean closeAfterClient() {
        return ask(() -> {
            leaving = true;
            if (connection == null) {
                startClosing();
            } else {
                stopAccepting();
            }
            return connection != null;
        });
    }

    /**
     * Takes {@link #closeAfterClient} back.
     *
     * @return whether it serves on: it may have closed already
     */
    public boolean stay() {
        return ask(() -> {
            leaving = false;
            if (connection == null) {
                accept();
            }
            return !closing;
        });
    }

    private boolean ask(BooleanSupplier question) {
        CompletableFuture<Boolean> answer = new CompletableFuture<>();
        loop.execute(() -> answer.complete(question.getAsBoolean()));
        return answer.join();
    }

    private void startClosing() {
        if (closing) {
            return;
        }
        closing = true;
        stopAccepting();
        Connection client = connection;
        if (client == null) {
            finishClosing();
        } else {
            client.end();
        }
    }

    // Closing the device resets it, and that may wait for its queue threads.
    private void finishClosing() {
        loop.executeWaiting(() -> {
            try {
                listening.close();
                socketFile.ifPresent(SocketPath::removeIfSame);
                file.close();
            } catch (RuntimeException e) {
                LOG.log(Level.WARNING, "closing the server", e);
            } finally {
                ended.countDown();
            }
        });
    }

    private void accept() {
        if (!closing && !leaving && !accepting) {
            accepting = true;
            token = loop.add(listening, EPOLLIN, acceptor);
        }
    }

    private void stopAccepting() {
        if (accepting) {
            accepting = false;
            loop.remove(listening, token);
        }
    }

    private void connectionEnded() {
        connection = null;
        if (closing) {
            finishClosing();
        } else if (leaving) {
            startClosing();
        } else {
            accept();
        }
    }

    private void acceptClient() {
        int fd = UnixSocket.accept(listening.value());
        if (fd == -EAGAIN || fd == -EINTR || fd == -ECONNABORTED) {
            return;
        }
        stopAccepting();
        if (fd < 0) {
            // No descriptors or no memory: the client waits in the backlog, and epoll would report it without end.
            log.warn("accept: " + Errno.describe(-fd));
            acceptLater();
            return;
        }
        Fd socket = Fd.own(fd);
        try {
            Connection client = new Connection(loop, socket, file, options, counters, log, this::connectionEnded);
            client.start();
            connection = client;
            counters.connections++;
        } catch (RuntimeException e) {
            socket.close();
            log.warn("a client is turned away: " + e);
            acceptLater();
        }
    }

    private void acceptLater() {
        loop.executeWaiting(() -> {
            LockSupport.parkNanos(ACCEPT_PAUSE_NS);
            loop.execute(this::accept);
        });
    }

    /** The loop's view of the listening socket. */
    private final class Acceptor implements EventSource {

        @Override
        public void onEvents(int events) {
            acceptClient();
        }

        @Override
        public boolean poll() {
            return false;
        }
    }
}
