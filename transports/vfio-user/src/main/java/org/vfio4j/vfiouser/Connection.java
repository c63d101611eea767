package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Epoll.EPOLLIN;
import static org.vfio4j.sys.Epoll.EPOLLOUT;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;

/**
 * One client of a {@link VfioUserServer}, from accept to the end.
 *
 * <p>Owned by one thread at a time: the event loop, or, while a command may have to wait for the device's queue threads, a
 * worker; the loop does not watch the socket then. Commands are handled one after the other, in order. While the socket does
 * not take a reply no further command is read.
 */
final class Connection implements EventSource {

    /** Bytes of data that one message may carry. */
    static final int MAX_DATA_XFER_SIZE = 1 << 20;

    /** The largest message: data behind a header and the 16 bytes that say which data it is. */
    static final int MAX_MESSAGE = MAX_DATA_XFER_SIZE + 32;

    /** Descriptors that one message may carry. */
    static final int MAX_MSG_FDS = 16;

    private enum State {
        /** The loop watches the socket. */
        WATCHED,
        /** A worker handles a command, or what the last client has left in the device. */
        WITH_WORKER,
        /** Nobody reads: it may be handed over. */
        FROZEN,
        /** The device is being detached, or is. */
        ENDING
    }

    private final EventLoop loop;
    private final Fd socket;
    private final LocalDeviceFile file;
    private final Runnable onEnd;
    private final Counters counters;
    private final PeerLog log;

    private final Inbox inbox = new Inbox(MAX_MESSAGE, MAX_MSG_FDS);
    private final Outbox outbox;
    private final DmaRequests requests;
    private final IoAddressSpace space;
    private final Commands commands;
    private final Optional<ConfigWatch> configWatch;
    private final Answers answers;

    // What follows belongs to the loop's thread.
    private State state = State.WATCHED;
    private long token;
    private int interest = EPOLLIN;
    private boolean endRequested;
    private boolean trimAsked;

    // With which errno all is refused that the client asks for: it has not got the device. Written by a worker before.
    private int refusal;
    private @Nullable TwinSocket twin;

    /**
     * Takes over a client's socket; {@link #start} begins to serve it.
     *
     * @param file the device, attached to no address space
     * @param watch who is told when its configuration may have changed
     * @param onEnd run by the loop when the client is gone and the device detached
     */
    Connection(
            EventLoop loop,
            Fd socket,
            LocalDeviceFile file,
            VfioUserServerOptions options,
            Optional<ConfigWatch> watch,
            Counters counters,
            PeerLog log,
            Runnable onEnd) {
        configWatch = watch;
        this.loop = loop;
        this.socket = socket;
        this.file = file;
        this.onEnd = onEnd;
        this.counters = counters;
        this.log = log;
        outbox = new Outbox(socket);
        requests = new DmaRequests(outbox, () -> loop.execute(this::watchAgain), options.dmaTimeoutNs());
        space = new IoAddressSpace(options.maxDmaMaps());
        Capabilities capabilities = Capabilities.of(MAX_MSG_FDS, MAX_DATA_XFER_SIZE, options.maxDmaMaps());
        commands = new Commands(file, space, requests, capabilities, this::openTwin, options);
        answers = new Answers(commands, requests, outbox, counters, log, watch);
    }

    /**
     * Attaches the device to the client's memory, of which there is none yet, and begins to serve. A device that still has what its last
     * client has left in it is not given away: what the client asks for first is refused with the reason, and the connection ends.
     */
    void start() {
        if (file.hasLeftovers()) {
            clearLeftovers();
        } else {
            begin();
        }
    }

    // A reset takes longer than others shall wait.
    private void clearLeftovers() {
        state = State.WITH_WORKER;
        loop.executeWaiting(() -> {
            try {
                file.clearLeftovers();
            } catch (RuntimeException e) {
                refusal = e instanceof ErrnoException errno ? errno.errno() : EIO;
                log.warn("a client is refused: " + e.getMessage());
            } finally {
                loop.execute(this::startCleared);
            }
        });
    }

    private void startCleared() {
        if (refusal != 0 || endRequested) {
            watch();
            return;
        }
        try {
            begin();
            state = State.WATCHED;
        } catch (RuntimeException e) {
            // It has released all that it had.
            log.warn("a client is turned away: " + e);
            onEnd.run();
        }
    }

    private void begin() {
        try {
            CommandAtConnect.set(file);
            configWatch.ifPresent(ConfigWatch::write);
            file.attach(space);
            token = loop.add(socket, EPOLLIN, this);
        } catch (RuntimeException e) {
            // Attached, it would turn away every client after this one.
            attempt("detaching the device", file::detach);
            release();
            throw e;
        }
    }

    /** Ends the connection as soon as the thread that owns it can; {@code onEnd} tells when. */
    void end() {
        endRequested = true;
        if (state == State.WATCHED || state == State.FROZEN) {
            detach();
        }
    }

    /**
     * Stops reading, between two messages. Nothing is half sent, and no request is under way: else it does not, and may be asked
     * again in a moment.
     */
    boolean freeze() {
        boolean quiet = state == State.WATCHED
                && !endRequested
                && !outbox.isBacklogged()
                && !requests.anyWaiting()
                && (twin == null || twin.isQuiet());
        if (quiet) {
            loop.remove(socket, token);
            state = State.FROZEN;
            if (twin != null) {
                twin.freeze();
            }
        }
        return quiet;
    }

    /** Reads again. */
    void thaw() {
        if (twin != null) {
            twin.thaw();
        }
        watch();
    }

    /**
     * All that another connection needs to go on. While it is frozen; from any one thread. What it names stays this object's.
     *
     * @throws ErrnoException EOPNOTSUPP when there is something that cannot be handed over
     */
    ClientHandover handover() {
        if (commands.hasGivenIoFds()) {
            throw new ErrnoException(EOPNOTSUPP, "hand over a client that writes registers by eventfds");
        }
        List<ClientHandover.MapAndFile> maps = new ArrayList<>();
        for (ClientMaps.Map map : commands.dma().maps().all()) {
            if (map.hasFile() && map.file().isEmpty()) {
                throw new ErrnoException(
                        EOPNOTSUPP,
                        "hand over a client whose memory is in more than " + MemoryFiles.MAX_FILES + " files");
            }
            maps.add(new ClientHandover.MapAndFile(map, map.file().map(MemoryFiles.Kept::fd)));
        }
        return new ClientHandover(
                socket,
                Optional.of(commands.version())
                        .filter(VersionNegotiation::isDone)
                        .map(VersionNegotiation::peer),
                Optional.ofNullable(twin).map(TwinSocket::socket),
                inbox.rest(),
                inbox.restFds(),
                requests.habits(),
                maps,
                commands.irqs().irqs().handover(),
                VfioMsixCopy.of(file));
    }

    /**
     * Takes a client over instead of {@link #start}: memory, interrupts and configuration are as they were, and the device is
     * attached. Reads nothing before {@link #startTakenOver}.
     *
     * @param config as the client had set it up
     */
    void takeOver(ClientHandover from, VfioPciConfigCopy config) {
        try {
            from.capabilities().ifPresent(commands::agreed);
            requests.begin(from.habits());
            for (ClientHandover.MapAndFile map : from.maps()) {
                commands.dma().mapAgain(map.map(), map.file().map(Fd::dup));
            }
            config.restore(file);
            from.irqs().forEach(commands.irqs()::takeOver);
            file.attach(space);
            if (from.capabilities().isPresent()) {
                config.restoreCommand(file);
                from.msix().restore(file);
            } else {
                // The other one may have ended before it had let the client in.
                CommandAtConnect.set(file);
                configWatch.ifPresent(ConfigWatch::write);
            }
            inbox.begin(from.rest(), from.restFds());
        } catch (RuntimeException e) {
            letGo();
            throw e;
        }
    }

    /** The loop's thread: begins to serve a client that was taken over. */
    void startTakenOver(Optional<Fd> twinSocket) {
        twinSocket.ifPresent(fd -> twin = new TwinSocket(loop, fd, requests, log, this::end));
        watch();
    }

    /** Lets go of a client that was taken over and is not served: the other server still has it. */
    void giveUp() {
        letGo();
    }

    /** Ends the connection when the event loop has ended before it; a command that a worker has in hand is left to it. */
    void endWithoutLoop() {
        requests.cancel(ENOTCONN);
        if (state == State.WATCHED || state == State.FROZEN) {
            letGo();
        }
    }

    private void watch() {
        try {
            token = loop.add(socket, EPOLLIN, this);
        } catch (ErrnoException e) {
            // No room for one more: nobody would ever hear of this client again.
            log.warn("connection ended: " + e.getMessage());
            endRequested = true;
            detach();
            return;
        }
        state = State.WATCHED;
        interest = EPOLLIN;
        if (endRequested) {
            detach();
        } else {
            handleMessages();
        }
    }

    @Override
    public void onEvents(int events) {
        try {
            if (outbox.isBacklogged()) {
                flush();
            } else {
                receive();
            }
        } catch (RuntimeException e) {
            fail(e);
        }
    }

    @Override
    public boolean poll() {
        try {
            return !outbox.isBacklogged() && receive();
        } catch (RuntimeException e) {
            fail(e);
            return false;
        }
    }

    // Nothing that one client causes may end the loop for the others.
    private void fail(RuntimeException e) {
        if (e instanceof ErrnoException) {
            log.warn("connection ended: " + e.getMessage());
        } else {
            log.defect("connection ended", e);
        }
        end();
    }

    private boolean receive() {
        long n = inbox.receive(socket, MSG_DONTWAIT);
        if (n > 0) {
            counters.bytesReceived += n;
            handleMessages();
            return true;
        }
        if (n == -EAGAIN || n == -EINTR) {
            return false;
        }
        if (n < 0) {
            counters.errors++;
            log.warn("connection ended: " + Errno.describe((int) -n));
        }
        end();
        return false;
    }

    private void flush() {
        if (outbox.flush() != 0) {
            end();
        } else if (!outbox.isBacklogged()) {
            handleMessages();
        }
    }

    /** Handles what has arrived, until more is needed, the socket is full, or a worker has taken over. */
    private void handleMessages() {
        while (!endRequested && !outbox.isBacklogged()) {
            Inbox.Next next = inbox.next();
            if (next == Inbox.Next.INCOMPLETE) {
                break;
            }
            if (next == Inbox.Next.FRAMING_LOST) {
                log.warn("connection ended: a message of an impossible size");
                answers.refuse(inbox.message(), EINVAL);
                end();
                return;
            }
            counters.messages++;
            if (refusal != 0) {
                answers.refuse(inbox.message(), refusal);
                end();
                return;
            }
            if (commands.mayWait(inbox.message())) {
                handToWorker();
                return;
            }
            answers.handle(inbox.message());
            inbox.consume();
        }
        if ((inbox.isLarge() || answers.isLarge()) && !trimAsked) {
            trimAsked = true;
            loop.trimLater(this);
        }
        watchAgain();
    }

    @Override
    public void trim() {
        trimAsked = false;
        if (state == State.WATCHED) {
            inbox.trim();
            answers.trim();
        }
    }

    private void handToWorker() {
        loop.remove(socket, token);
        state = State.WITH_WORKER;
        requests.setAttended(false);
        loop.executeWaiting(() -> {
            try {
                answers.handle(inbox.message());
            } finally {
                loop.execute(this::takeBack);
            }
        });
    }

    private void takeBack() {
        requests.setAttended(true);
        inbox.consume();
        watch();
    }

    // Reads while everything is sent, else waits for room to send. Also after a queue thread has filled the socket.
    private void watchAgain() {
        if (state != State.WATCHED || endRequested) {
            return;
        }
        int wanted = outbox.isBacklogged() ? EPOLLOUT : EPOLLIN;
        if (wanted != interest) {
            interest = wanted;
            loop.modify(socket, wanted, token);
        }
    }

    /** The client is gone: what it gave goes, what the device is stays. */
    private void detach() {
        if (state == State.WATCHED) {
            loop.remove(socket, token);
        }
        state = State.ENDING;
        requests.cancel(ENOTCONN);
        if (twin != null) {
            twin.close();
        }
        // For queue threads, and a client may leave thousands of maps, which take longer than others shall wait.
        loop.executeWaiting(() -> {
            try {
                letGo();
            } finally {
                loop.execute(onEnd);
            }
        });
    }

    /** Opens a second socket for this server's requests: the client's end. VERSION is always handled by the loop. */
    private Fd openTwin() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try {
            UnixSocket.setNonBlocking(pair.first(), true);
            twin = new TwinSocket(loop, pair.first(), requests, log, this::end);
            return pair.second();
        } catch (RuntimeException e) {
            pair.first().close();
            pair.second().close();
            throw e;
        }
    }

    private void letGo() {
        if (refusal == 0) {
            attempt("disabling interrupts", () -> IrqCommands.disableAll(file));
            attempt("detaching the device", file::detach);
            // Last: a device that is stopped for a migration that nobody goes on with is reset.
            attempt("leaving the device", file::userLeft);
        }
        release();
    }

    // One that fails does not keep the others from being done.
    private void attempt(String what, Runnable action) {
        try {
            action.run();
        } catch (RuntimeException e) {
            log.warn(what + ": " + e);
        }
    }

    private void release() {
        outbox.close();
        inbox.close();
        answers.close();
        socket.close();
        space.close();
        commands.forgetClient();
    }
}
