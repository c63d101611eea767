package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.sys.ErrnoException;

/**
 * Ends calls on a socket that block for too long, by closing it: blocking writes know no timeout of their own. One thread for each
 * channel, which ends with it.
 */
final class ChannelWatch implements AutoCloseable {

    private static final long LOOK_NS = 50_000_000;
    private static final int DIRECTIONS = 2;

    private final Closeable socket;
    private final long patienceNs;

    /** By direction: since when a call waits; 0 while none does. */
    private final AtomicLong[] waitingSince = {new AtomicLong(), new AtomicLong()};

    private volatile boolean timedOut;
    private volatile boolean closed;

    /** A call on the socket. */
    interface Call {
        int make() throws IOException;
    }

    /** Which way a call goes. */
    enum Direction {
        IN,
        OUT
    }

    ChannelWatch(Closeable socket, long patienceNs) {
        this.socket = socket;
        this.patienceNs = patienceNs;
        Thread.ofPlatform().daemon().name("vfio-migration-watch").start(this::watch);
    }

    int call(Direction direction, Call call) {
        AtomicLong waiting = waitingSince[direction.ordinal()];
        waiting.set(Math.max(1, System.nanoTime()));
        try {
            return call.make();
        } catch (IOException e) {
            throw failure(e);
        } finally {
            waiting.set(0);
        }
    }

    @Override
    public void close() {
        closed = true;
        closeSocket();
    }

    private ErrnoException failure(IOException e) {
        if (timedOut) {
            return new ErrnoException(
                    ETIMEDOUT, "migration: the other side does nothing for " + patienceNs / 1_000_000 + " ms");
        }
        if (closed || e instanceof ClosedChannelException) {
            return new ErrnoException(ECANCELED, "migration: the connection was closed here");
        }
        return new ErrnoException(ECONNRESET, "migration: the connection has failed: " + e.getMessage());
    }

    private void watch() {
        while (!closed) {
            LockSupport.parkNanos(LOOK_NS);
            long now = System.nanoTime();
            for (int i = 0; i < DIRECTIONS; i++) {
                long since = waitingSince[i].get();
                if (since != 0 && now - since > patienceNs) {
                    timedOut = true;
                    closeSocket();
                    return;
                }
            }
        }
    }

    private void closeSocket() {
        try {
            socket.close();
        } catch (IOException e) {
            System.getLogger(ChannelWatch.class.getName())
                    .log(System.Logger.Level.DEBUG, "close of a migration''s connection: {0}", e.toString());
        }
    }
}
