package org.vfio4j.cli.socket;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EMSGSIZE;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.UnixSocket;

/**
 * Packets of bytes with any number of descriptors between two processes of one user. Belongs to one thread.
 *
 * <p>A packet is its length and its number of descriptors, both of 32 bits, the descriptors, as many to a byte as the kernel takes, and the
 * bytes. A short one without descriptors comes whole or not at all.
 */
public final class FdChannel implements AutoCloseable {

    /** The most descriptors of a packet. */
    static final int MAX_FDS = 1 << 16;

    private static final int HEADER_BYTES = 8;
    private static final int FDS_OF_A_BYTE = 200;
    private static final int[] NO_FDS = {};

    private final Fd socket;
    private final SocketIo io = new SocketIo(SocketIo.MAX_FDS);

    /**
     * What came.
     *
     * @param fds the receiver's
     */
    public record Packet(byte[] bytes, List<Fd> fds) implements AutoCloseable {

        @Override
        public void close() {
            fds.forEach(Fd::close);
        }
    }

    /** @param socket connected, owned by this */
    public FdChannel(Fd socket) {
        this.socket = socket;
    }

    /**
     * Sends a packet.
     *
     * @param fds they stay the caller's
     * @param limitNs how long it may take
     * @throws ErrnoException ETIMEDOUT when it takes longer, EPIPE or ECONNRESET when the peer is gone
     */
    public void send(byte[] bytes, List<Fd> fds, long limitNs) {
        long deadline = System.nanoTime() + limitNs;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment packet = arena.allocate(HEADER_BYTES + (long) bytes.length);
            packet.set(JAVA_INT_UNALIGNED, 0, bytes.length);
            packet.set(JAVA_INT_UNALIGNED, Integer.BYTES, fds.size());
            MemorySegment.copy(bytes, 0, packet, JAVA_BYTE, HEADER_BYTES, bytes.length);
            if (fds.isEmpty()) {
                sendAll(packet, NO_FDS, deadline);
                return;
            }
            sendAll(packet.asSlice(0, HEADER_BYTES), NO_FDS, deadline);
            for (int i = 0; i < fds.size(); i += FDS_OF_A_BYTE) {
                int[] numbers = fds.subList(i, Math.min(i + FDS_OF_A_BYTE, fds.size())).stream()
                        .mapToInt(Fd::value)
                        .toArray();
                sendAll(arena.allocate(1), numbers, deadline);
            }
            sendAll(packet.asSlice(HEADER_BYTES), NO_FDS, deadline);
        }
    }

    /**
     * Receives a packet.
     *
     * @param maxBytes the most bytes that it may have
     * @throws ErrnoException EMSGSIZE when it is larger, ETIMEDOUT when it takes longer, ECONNRESET when the peer goes before its end,
     *     EPROTO when descriptors are missing
     */
    public Packet receive(int maxBytes, long limitNs) {
        long deadline = System.nanoTime() + limitNs;
        List<Fd> fds = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(HEADER_BYTES);
            receiveAll(header, fds, deadline);
            int length = header.get(JAVA_INT_UNALIGNED, 0);
            int count = header.get(JAVA_INT_UNALIGNED, Integer.BYTES);
            if (length < 0 || length > maxBytes || count < 0 || count > MAX_FDS) {
                throw new ErrnoException(
                        EMSGSIZE,
                        "a packet of " + Integer.toUnsignedLong(length) + " bytes and " + Integer.toUnsignedLong(count)
                                + " descriptors; the limits are " + maxBytes + " and " + MAX_FDS);
            }
            MemorySegment carrier = arena.allocate(1);
            for (int left = count; left > 0; left -= FDS_OF_A_BYTE) {
                receiveAll(carrier, fds, deadline);
            }
            MemorySegment body = arena.allocate(Math.max(length, 1)).asSlice(0, length);
            receiveAll(body, fds, deadline);
            if (fds.size() != count) {
                throw new ErrnoException(EPROTO, "a packet with " + fds.size() + " descriptors of " + count);
            }
            return new Packet(body.toArray(JAVA_BYTE), fds);
        } catch (RuntimeException e) {
            fds.forEach(Fd::close);
            throw e;
        }
    }

    /**
     * Receives the last packet that is wanted, a word: one that has not been sent in time cannot be sent any more, and who tries gets EPIPE. So
     * both sides know whether it counts.
     *
     * @throws ErrnoException as {@link #receive}
     */
    public Packet receiveLast(int maxBytes, long limitNs) {
        try {
            return receive(maxBytes, limitNs);
        } catch (ErrnoException failure) {
            UnixSocket.endReceiving(socket);
            if (failure.errno() != ETIMEDOUT) {
                throw failure;
            }
            try {
                // It may have come between the two.
                return receive(maxBytes, limitNs);
            } catch (ErrnoException ended) {
                throw failure;
            }
        }
    }

    /** Whether the peer has closed its end. */
    public boolean hasEnded() {
        int events = Poll.poll(socket.value(), 0, 0);
        return events > 0 && (events & Poll.POLLHUP) != 0;
    }

    /** Whether something comes within a while. */
    boolean isReadable(long waitNs) {
        return Poll.poll(socket.value(), Poll.POLLIN, waitNs) != 0;
    }

    /** Another one for the same connection, for one more thread, which only sends while this one only receives; the caller's. */
    public FdChannel second() {
        return new FdChannel(socket.dup());
    }

    @Override
    public void close() {
        io.close();
        socket.close();
    }

    private void sendAll(MemorySegment bytes, int[] fds, long deadline) {
        int[] left = fds;
        for (long at = 0; at < bytes.byteSize(); ) {
            long length = bytes.byteSize() - at;
            long sent = io.send(socket.value(), bytes, at, length, left, left.length, SocketIo.MSG_DONTWAIT);
            if (sent == -EAGAIN || sent == -EINTR) {
                await(Poll.POLLOUT, deadline);
            } else {
                at += ErrnoException.check(sent, "send a packet");
                left = NO_FDS;
            }
        }
    }

    private void receiveAll(MemorySegment bytes, List<Fd> fds, long deadline) {
        for (long at = 0; at < bytes.byteSize(); ) {
            long received = io.recv(socket.value(), bytes, at, bytes.byteSize() - at, SocketIo.MSG_DONTWAIT);
            if (received == -EAGAIN || received == -EINTR) {
                await(Poll.POLLIN, deadline);
                continue;
            }
            ErrnoException.check(received, "receive a packet");
            if (received == 0) {
                throw new ErrnoException(ECONNRESET, "the peer went before the end of a packet");
            }
            for (int i = 0; i < io.fdCount(); i++) {
                fds.add(io.takeFd(i));
            }
            at += received;
        }
    }

    private void await(int events, long deadline) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
            throw new ErrnoException(ETIMEDOUT, "a packet takes too long");
        }
        Poll.poll(socket.value(), events, left);
    }
}
