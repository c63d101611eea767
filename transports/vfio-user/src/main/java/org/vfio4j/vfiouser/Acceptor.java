package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Epoll.EPOLLIN;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNABORTED;
import static org.vfio4j.sys.Errno.EINTR;

import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;

/**
 * Lets clients in at a socket, one at a time: after each it waits to be {@linkplain #start started} again. When none can be had, or taken,
 * it tries again after a while. Belongs to the loop's thread.
 */
final class Acceptor implements EventSource {

    private static final long PAUSE_NS = 100_000_000;

    private final EventLoop loop;
    private final Fd listening;
    private final PeerLog log;
    private final BooleanSupplier wanted;
    private final Consumer<Fd> onClient;
    private long token;
    private boolean accepting;

    /**
     * @param listening not blocking; it stays the caller's, who stops this before he closes it
     * @param wanted whether a client is let in now
     * @param onClient takes a client's socket, not blocking; when it throws the client is turned away, and its socket closed here
     */
    Acceptor(EventLoop loop, Fd listening, PeerLog log, BooleanSupplier wanted, Consumer<Fd> onClient) {
        this.loop = loop;
        this.listening = listening;
        this.log = log;
        this.wanted = wanted;
        this.onClient = onClient;
    }

    /** Lets the next client in, if one is wanted. */
    void start() {
        if (accepting || !wanted.getAsBoolean()) {
            return;
        }
        try {
            token = loop.add(listening, EPOLLIN, this);
            accepting = true;
        } catch (ErrnoException e) {
            log.warn("no client can be let in: " + e.getMessage());
            startLater();
        }
    }

    void stop() {
        if (accepting) {
            accepting = false;
            loop.remove(listening, token);
        }
    }

    @Override
    public void onEvents(int events) {
        int fd = UnixSocket.accept(listening.value());
        if (fd == -EAGAIN || fd == -EINTR || fd == -ECONNABORTED) {
            return;
        }
        stop();
        if (fd < 0) {
            // No descriptors or no memory: the client waits in the backlog, and epoll would report it without end.
            log.warn("accept: " + Errno.describe(-fd));
            startLater();
            return;
        }
        Fd client = Fd.own(fd);
        try {
            onClient.accept(client);
        } catch (RuntimeException e) {
            client.close();
            log.warn("a client is turned away: " + e);
            startLater();
        }
    }

    @Override
    public boolean poll() {
        return false;
    }

    private void startLater() {
        loop.executeWaiting(() -> {
            LockSupport.parkNanos(PAUSE_NS);
            loop.execute(this::start);
        });
    }
}
