package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENOBUFS;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SocketIo;

/**
 * The sending half of a server's connection. Replies come from the connection's owner, requests for guest memory from queue
 * threads: a lock keeps messages whole. Nobody waits here: what the socket does not take is kept, and the connection reads no
 * more requests until it is gone. That bounds it: one reply, and one request of each queue thread. All connections of a process share
 * {@value #SHARED_BYTES} bytes of it: beyond them a connection keeps what it has begun to send and its reply, and takes no further request.
 * Descriptors of a message that is kept are duplicated, since their owner may close them meanwhile.
 */
final class Outbox implements AutoCloseable {

    private static final int[] NO_FDS = {};
    private static final int FIRST_CAPACITY = 8 * 1024;

    /** Room for all that one connection can have under way, which is 64 requests, as its memory grows. */
    static final long SHARED_BYTES = 128L << 20;

    /** The memory of all backlogs of this process. */
    private static final AtomicLong KEPT_BYTES = new AtomicLong();

    /** Descriptors that go with bytes [start, end) of the whole stream, which are one message. */
    private record KeptFds(long start, long end, List<Fd> fds) {

        void close() {
            fds.forEach(Fd::close);
        }
    }

    private final Fd socket;
    private final SocketIo io = new SocketIo(1);

    // All of it guarded by this.
    private final ArrayDeque<KeptFds> keptFds = new ArrayDeque<>();
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

    /**
     * Sends or keeps a message with its descriptors: 0, or -errno when the connection is lost.
     *
     * @throws ErrnoException EMFILE when its descriptors cannot be kept: nothing of it is sent then
     */
    int send(OutMessage message) {
        return send(message.buffer(), 0, message.size(), message.fds());
    }

    /** Sends or keeps a request that lies in one piece: 0, or -errno as {@link #request(MemorySegment, long, MemorySegment, long)}. */
    synchronized int request(MemorySegment message, long length) {
        return mayKeep(length) ? send(message, 0, length, List.of()) : -ENOBUFS;
    }

    // What is not backlogged is begun at once, and what is left of it is kept in any case: half a message is none.
    private boolean mayKeep(long length) {
        long more = to + length <= backlog.byteSize() ? 0 : capacityFor(to - from + length) - backlog.byteSize();
        return !backlogged || more <= 0 || KEPT_BYTES.get() + more <= SHARED_BYTES;
    }

    /**
     * Sends or keeps {@code length} bytes of a buffer, which are a message: otherwise as {@link #send(OutMessage)}.
     *
     * @param fds they stay the caller's
     */
    synchronized int send(MemorySegment buffer, long at, long length, List<Fd> fds) {
        long sent = 0;
        if (closed) {
            return -ENOTCONN;
        }
        if (!backlogged) {
            int[] numbers = numbers(fds);
            sent = io.send(socket.value(), buffer, at, length, numbers, numbers.length, MSG_DONTWAIT);
            if (sent < 0) {
                if (sent != -EAGAIN && sent != -EINTR) {
                    return (int) sent;
                }
                sent = 0;
            }
            bytesSent += sent;
        }
        if (sent < length) {
            if (sent == 0 && !fds.isEmpty()) {
                long start = bytesSent + (to - from);
                keptFds.add(new KeptFds(start, start + length, duplicates(fds)));
            }
            keep(buffer, at + sent, length - sent);
        }
        return 0;
    }

    /**
     * Sends or keeps a request whose header and payload lie apart: 0, -errno when the connection is lost, or -ENOBUFS when it would
     * have to be kept and all connections together keep too much: nothing of it is sent then.
     */
    synchronized int request(MemorySegment header, long headerLength, MemorySegment payload, long length) {
        long sent = 0;
        if (closed) {
            return -ENOTCONN;
        }
        if (!mayKeep(headerLength + length)) {
            return -ENOBUFS;
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
            long length = to - from;
            int[] numbers = NO_FDS;
            KeptFds next = keptFds.peek();
            if (next != null && next.start == bytesSent) {
                // Not further than their message: whoever receives takes them for the last one's that begins with them.
                length = next.end - bytesSent;
                numbers = numbers(next.fds);
            } else if (next != null) {
                length = next.start - bytesSent;
            }
            long sent = io.send(socket.value(), backlog, from, length, numbers, numbers.length, MSG_DONTWAIT);
            if (sent < 0) {
                return sent == -EAGAIN || sent == -EINTR ? 0 : (int) sent;
            }
            if (numbers.length != 0) {
                keptFds.remove().close();
            }
            bytesSent += sent;
            from += sent;
        }
        // Given back to the collector: a backlog is rare and may have been large.
        replaceBacklog(MemorySegment.NULL);
        from = 0;
        to = 0;
        backlogged = false;
        return 0;
    }

    /** Sends nothing from now on. The socket is its owner's to close. */
    @Override
    public synchronized void close() {
        closed = true;
        keptFds.forEach(KeptFds::close);
        keptFds.clear();
        replaceBacklog(MemorySegment.NULL);
        io.close();
    }

    private static int[] numbers(List<Fd> fds) {
        if (fds.isEmpty()) {
            return NO_FDS;
        }
        int[] numbers = new int[fds.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = fds.get(i).value();
        }
        return numbers;
    }

    private static List<Fd> duplicates(List<Fd> fds) {
        List<Fd> duplicates = new ArrayList<>();
        try {
            for (Fd fd : fds) {
                duplicates.add(fd.dup());
            }
            return duplicates;
        } catch (ErrnoException e) {
            duplicates.forEach(Fd::close);
            throw e;
        }
    }

    private void keep(MemorySegment source, long at, long length) {
        if (to + length > backlog.byteSize()) {
            long needed = to - from + length;
            MemorySegment larger = Arena.ofAuto().allocate(capacityFor(needed));
            MemorySegment.copy(backlog, from, larger, 0, to - from);
            replaceBacklog(larger);
            to -= from;
            from = 0;
        }
        MemorySegment.copy(source, at, backlog, to, length);
        to += length;
        backlogged = true;
    }

    private static long capacityFor(long needed) {
        return Math.max(FIRST_CAPACITY, Long.highestOneBit(needed) << 1);
    }

    private void replaceBacklog(MemorySegment other) {
        KEPT_BYTES.addAndGet(other.byteSize() - backlog.byteSize());
        backlog = other;
    }
}
