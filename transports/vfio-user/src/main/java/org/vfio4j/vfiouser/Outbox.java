package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SocketIo;

/**
 * The sending half of a server's connection. Replies come from the connection's owner, requests for guest memory from queue
 * threads: a lock keeps messages whole. Nobody waits here: what the socket does not take is kept, and the connection reads no
 * more requests until it is gone. That bounds it: one reply, and one request of each queue thread.
 */
final class Outbox implements AutoCloseable {

    private static final int[] NO_FDS = {};
    private static final int FIRST_CAPACITY = 8 * 1024;

    private final Fd socket;
    private final SocketIo io = new SocketIo(1);

    // All of it guarded by this.
    private MemorySegment backlog = MemorySegment.NULL;
    private long from;
    private long to;
    private boolean closed;
    private long bytesSent;

    // Written under the lock, read without.
    private volatile boolean backlogged;

    Outbox(Fd socket) {
        this.socket = socket;
    }

    /** Whether bytes wait for the socket. */
    boolean isBacklogged() {
        return backlogged;
    }

    synchronized long bytesSent() {
        return bytesSent;
    }

    /** Sends or keeps a message that lies in one piece: 0, or -errno when the connection is lost. */
    synchronized int send(MemorySegment message, long length) {
        long sent = 0;
        if (closed) {
            return -ENOTCONN;
        }
        if (!backlogged) {
            sent = io.send(socket.value(), message, 0, length, NO_FDS, 0, MSG_DONTWAIT);
            if (sent < 0) {
                if (sent != -EAGAIN && sent != -EINTR) {
                    return (int) sent;
                }
                sent = 0;
            }
            bytesSent += sent;
        }
        if (sent < length) {
            keep(message, sent, length - sent);
        }
        return 0;
    }

    /** Sends or keeps a message whose header and payload lie apart; otherwise as {@link #send}. */
    synchronized int send(MemorySegment header, long headerLength, MemorySegment payload, long length) {
        long sent = 0;
        if (closed) {
            return -ENOTCONN;
        }
        if (!backlogged) {
            sent = io.sendv(socket.value(), header, headerLength, payload, length, MSG_DONTWAIT);
            if (sent < 0) {
                if (sent != -EAGAIN && sent != -EINTR) {
                    return (int) sent;
                }
                sent = 0;
            }
            bytesSent += sent;
        }
        if (sent < headerLength) {
            keep(header, sent, headerLength - sent);
            sent = headerLength;
        }
        long rest = length - (sent - headerLength);
        if (rest > 0) {
            keep(payload, length - rest, rest);
        }
        return 0;
    }

    /** Sends what is kept, as far as the socket takes it: 0, or -errno when the connection is lost. */
    synchronized int flush() {
        while (!closed && from < to) {
            long sent = io.send(socket.value(), backlog, from, to - from, NO_FDS, 0, MSG_DONTWAIT);
            if (sent < 0) {
                return sent == -EAGAIN || sent == -EINTR ? 0 : (int) sent;
            }
            bytesSent += sent;
            from += sent;
        }
        // Given back to the collector: a backlog is rare and may have been large.
        backlog = MemorySegment.NULL;
        from = 0;
        to = 0;
        backlogged = false;
        return 0;
    }

    /** Sends nothing from now on. The socket is its owner's to close. */
    @Override
    public synchronized void close() {
        closed = true;
        io.close();
    }

    private void keep(MemorySegment source, long at, long length) {
        if (to + length > backlog.byteSize()) {
            long needed = to - from + length;
            long capacity = Math.max(FIRST_CAPACITY, Long.highestOneBit(needed) << 1);
            MemorySegment larger = Arena.ofAuto().allocate(capacity);
            MemorySegment.copy(backlog, from, larger, 0, to - from);
            backlog = larger;
            to -= from;
            from = 0;
        }
        MemorySegment.copy(source, at, backlog, to, length);
        to += length;
        backlogged = true;
    }
}
