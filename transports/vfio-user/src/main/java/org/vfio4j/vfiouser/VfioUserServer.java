package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SharedEventFd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;

/**
 * Serves one open device to one vfio-user client after the other (vfio-user specification; unix sockets only).
 *
 * <p>While a client is connected others wait in the socket's backlog. When it goes, its memory maps and interrupt descriptors
 * go with it, and the device keeps its state for the next one. Any thread may call the public methods.
 */
public final class VfioUserServer implements AutoCloseable {

    private static final Logger LOG = System.getLogger(VfioUserServer.class.getName());
    private static final int BACKLOG = 16;
    private static final long FREEZE_PAUSE_NS = 200_000;

    private final EventLoop loop;
    private final Fd listening;
    private volatile Optional<SocketPath> socketFile;
    private final LocalDeviceFile file;
    private final VfioUserServerOptions options;
    private final PeerLog log;
    private final Optional<ConfigWatch> watch;
    private final Counters counters = new Counters();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Acceptor acceptor;

    // What follows belongs to the loop's thread.
    private boolean closing;
    private boolean finishing;
    private boolean leaving;
    private @Nullable Connection connection;

    // Of a client that was taken over, until it is served.
    private volatile @Nullable Connection takenOver;
    private volatile Optional<Fd> takenTwin = Optional.empty();
    private volatile Optional<SocketPath> takenFile = Optional.empty();

    private VfioUserServer(
            EventLoop loop,
            Fd listening,
            Optional<SocketPath> socketFile,
            LocalDeviceFile file,
            VfioUserServerOptions options,
            Optional<ConfigWatch> watch) {
        this.watch = watch;
        this.loop = loop;
        this.listening = listening;
        this.socketFile = socketFile;
        this.file = file;
        this.options = options;
        log = new PeerLog("vfio-user client of " + file.device().parentName());
        acceptor = new Acceptor(loop, listening, log, () -> !closing && !leaving && connection == null, this::letIn);
        UnixSocket.setNonBlocking(listening, true);
        SharedEventFd.prepare();
    }

    /**
     * Listens at {@code path} and serves {@code file}.
     *
     * @param file an open device; the server closes it when it is closed itself, and leaves it to the caller when this throws
     * @throws ErrnoException EADDRINUSE when a server listens there already, EEXIST when there is another file; what bind says
     */
    public static VfioUserServer listen(
            EventLoop loop, Path path, LocalDeviceFile file, VfioUserServerOptions options) {
        UnixSocket.Listening at = UnixSocket.listenAt(path, BACKLOG);
        SocketPath socketFile = SocketPath.of(path, at.file());
        try {
            return new VfioUserServer(loop, at.socket(), Optional.of(socketFile), file, options, Optional.empty())
                    .begin();
        } catch (RuntimeException e) {
            at.socket().close();
            throw e;
        }
    }

    /** Serves {@code file} on a socket that listens already, and is the server's from now on. */
    public static VfioUserServer adopt(
            EventLoop loop, Fd listening, LocalDeviceFile file, VfioUserServerOptions options) {
        return new VfioUserServer(loop, listening, Optional.empty(), file, options, Optional.empty()).begin();
    }

    /**
     * Goes on where another server stopped ({@link #handOver}): its client is connected, with its memory, interrupts and
     * configuration, and notices nothing. Nothing is served before {@link #startTakenOver}: until then the device can be given its
     * state, and a server that is closed leaves everything to the other one.
     *
     * @param handover this method's in any case
     * @param file a device of the same kind that has no state of its own; otherwise as for {@link #listen}
     * @throws ErrnoException EINVAL when the record does not make sense or is of another version, or the device is another one; what
     *     mapping memory and setting interrupts say
     */
    public static VfioUserServer takeOver(
            EventLoop loop, ServerHandover handover, LocalDeviceFile file, VfioUserServerOptions options) {
        try {
            Taken taken = Taken.of(handover);
            if (!taken.config().fits(file)) {
                throw HandoverRecord.Reader.invalid(file.device().parentName() + " is another kind of device");
            }
            VfioUserServer server =
                    new VfioUserServer(loop, taken.listening(), Optional.empty(), file, options, Optional.empty());
            server.takeOver(taken);
            return server;
        } catch (RuntimeException e) {
            handover.close();
            throw e;
        }
    }

    /**
     * Goes on where a server has died: as {@link #takeOver}, with what is known of its client elsewhere. Nothing is served before
     * {@link #startTakenOver}.
     *
     * @param listening listens already, where the other one did; this method's in any case
     * @param client what {@link VfioUserRelay#resume} gave, this method's in any case; empty when nobody is connected
     * @param config the device's configuration as the other one has told its journal last; empty when it never did
     * @param msix likewise
     * @param journal where this server keeps them from now on
     * @throws ErrnoException as {@link #takeOver}
     */
    public static VfioUserServer resume(
            EventLoop loop,
            Fd listening,
            Optional<ServerHandover> client,
            Optional<VfioPciConfigCopy> config,
            VfioMsixCopy msix,
            LocalDeviceFile file,
            VfioUserServerOptions options,
            ConfigJournal journal) {
        try {
            VfioPciConfigCopy last = config.orElseGet(() -> VfioPciConfigCopy.of(file));
            if (!last.fits(file)) {
                throw HandoverRecord.Reader.invalid(file.device().parentName() + " is another kind of device");
            }
            Optional<ClientHandover> connected = client.map(Taken::client).map(known -> known.withMsix(msix));
            VfioUserServer server = new VfioUserServer(
                    loop, listening, Optional.empty(), file, options, Optional.of(new ConfigWatch(file, journal)));
            server.takeOver(new Taken(listening, Optional.empty(), last, connected));
            return server;
        } catch (RuntimeException e) {
            listening.close();
            client.ifPresent(ServerHandover::close);
            throw e;
        }
    }

    private void takeOver(Taken taken) {
        takenFile = taken.socketFile();
        if (taken.client().isEmpty()) {
            taken.config().restore(file);
            taken.config().restoreCommand(file);
            return;
        }
        ClientHandover from = taken.client().get();
        Connection client =
                new Connection(loop, from.socket(), file, options, watch, counters, log, this::connectionEnded);
        client.takeOver(from, taken.config());
        // Each map has its own descriptor now.
        from.maps().forEach(map -> map.file().ifPresent(Fd::close));
        takenOver = client;
        takenTwin = from.twin();
    }

    /** Begins to serve after {@link #takeOver}. */
    public void startTakenOver() {
        loop.execute(() -> {
            Connection client = takenOver;
            takenOver = null;
            // Until now it was the other server's.
            socketFile = takenFile;
            if (client == null) {
                acceptor.start();
            } else {
                connection = client;
                counters.connections++;
                client.startTakenOver(takenTwin);
            }
        });
    }

    /**
     * Stops serving, between two of the client's messages, and tells all that another server needs to go on. The client notices no
     * more than that it waits. After this comes {@link #goOn} or {@link #leaveToOther}. The device must not wait for the client's
     * memory meanwhile.
     *
     * @return the caller's; descriptors in it are duplicates
     * @throws ErrnoException ETIMEDOUT when the client or the device keeps the connection busy for {@code limit}; EBUSY while the
     *     client migrates the device; EOPNOTSUPP for a client that cannot be handed over: it is served as before then
     */
    public ServerHandover handOver(Duration limit) {
        freeze(limit);
        try {
            if (file.isMigrating()) {
                throw new ErrnoException(
                        EBUSY, "hand over " + file.device().parentName() + ", which is being migrated");
            }
            return Taken.record(
                    listening,
                    socketFile,
                    VfioPciConfigCopy.of(file),
                    Optional.ofNullable(connection).map(Connection::handover));
        } catch (RuntimeException e) {
            goOn();
            throw e;
        }
    }

    /** Takes {@link #handOver} back: serves on. */
    public void goOn() {
        loop.ask(() -> {
            Connection client = connection;
            if (client == null) {
                acceptor.start();
            } else {
                client.thaw();
            }
            return true;
        });
    }

    /** Another server has taken over: closes the device, and leaves the client and the socket's file to the other. */
    public void leaveToOther() {
        socketFile = Optional.empty();
        close();
    }

    private void freeze(Duration limit) {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!loop.ask(this::tryFreeze)) {
            if (System.nanoTime() - deadline > 0) {
                throw new ErrnoException(
                        ETIMEDOUT,
                        "hand over " + file.device().parentName() + ": its client keeps it busy for " + limit);
            }
            LockSupport.parkNanos(FREEZE_PAUSE_NS);
        }
    }

    private boolean tryFreeze() {
        if (closing || leaving) {
            throw new ErrnoException(EBUSY, "hand over " + file.device().parentName() + ", which is being closed");
        }
        if (connection == null) {
            acceptor.stop();
            return true;
        }
        return connection.freeze();
    }

    private VfioUserServer begin() {
        loop.execute(acceptor::start);
        return this;
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
        loop.awaitUnlessEnded(ended);
        if (!finishing) {
            closeWithoutLoop();
        }
        ended.join();
    }

    // The loop has ended first. What was its thread's is this one's.
    private void closeWithoutLoop() {
        finishing = true;
        Connection client = connection;
        if (client != null) {
            client.endWithoutLoop();
        }
        letGo();
    }

    /**
     * Closes when the client goes that is connected now, or at once when there is none; nobody else is let in. For a device that
     * is wanted back, whose user is asked to let go.
     *
     * @return whether a client is waited for
     */
    public boolean closeAfterClient() {
        return loop.ask(() -> {
            leaving = true;
            if (connection == null) {
                startClosing();
            } else {
                acceptor.stop();
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
        return loop.ask(() -> {
            leaving = false;
            if (connection == null) {
                acceptor.start();
            }
            return !closing;
        });
    }

    private void startClosing() {
        if (closing) {
            return;
        }
        closing = true;
        acceptor.stop();
        Connection client = connection;
        if (client == null) {
            finishClosing();
        } else {
            client.end();
        }
    }

    // Closing the device resets it, and that may wait for its queue threads.
    private void finishClosing() {
        finishing = true;
        loop.executeWaiting(this::letGo);
    }

    private void letGo() {
        try {
            Connection never = takenOver;
            if (never != null) {
                never.giveUp();
                takenTwin.ifPresent(Fd::close);
            }
            listening.close();
            socketFile.ifPresent(SocketPath::removeIfSame);
            file.close();
        } catch (ErrnoException e) {
            // What is left in the device was told of when its user left it.
            if (!file.hasLeftovers()) {
                LOG.log(Level.WARNING, "closing the server of {0}: {1}", file.device(), e.getMessage());
            }
        } catch (RuntimeException e) {
            LOG.log(Level.WARNING, "closing the server", e);
        } finally {
            ended.complete(null);
        }
    }

    private void connectionEnded() {
        connection = null;
        if (closing) {
            finishClosing();
        } else if (leaving) {
            startClosing();
        } else {
            acceptor.start();
        }
    }

    private void letIn(Fd socket) {
        Connection client = new Connection(loop, socket, file, options, watch, counters, log, this::connectionEnded);
        client.start();
        connection = client;
        counters.connections++;
    }
}
