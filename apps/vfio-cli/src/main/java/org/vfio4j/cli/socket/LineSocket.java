package org.vfio4j.cli.socket;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EMSGSIZE;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.function.LongConsumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.SocketIo;

/** Lines of text over a socket, with limits to their length and to the time that they may take. Belongs to one thread. */
public final class LineSocket implements AutoCloseable {

    private static final long TICK_NS = 100_000_000;
    private static final int PIECE_BYTES = 4096;
    private static final int[] NO_FDS = {};

    private final Fd socket;
    private final SocketIo io = new SocketIo(1);
    private final MemorySegment buffer = Arena.ofAuto().allocate(PIECE_BYTES);

    /** @param socket owned by this */
    public LineSocket(Fd socket) {
        this.socket = socket;
    }

    /**
     * The one line that the peer sends, without its end. Descriptors that come with it are closed.
     *
     * @param maxBytes of the line
     * @param limitNs how long it may take to come
     * @param waiting hears about every 100 ms how many nanoseconds have passed
     * @throws ErrnoException EMSGSIZE when it is longer, ETIMEDOUT when it takes longer, ECONNRESET when the peer goes before its end
     */
    public String read(int maxBytes, long limitNs, LongConsumer waiting) {
        StringBuilder line = new StringBuilder();
        long start = System.nanoTime();
        while (true) {
            long received = io.recv(socket.value(), buffer, 0, PIECE_BYTES, SocketIo.MSG_DONTWAIT);
            if (received == -EAGAIN || received == -EINTR) {
                waiting.accept(System.nanoTime() - start);
                await(Poll.POLLIN, start, limitNs);
                continue;
            }
            ErrnoException.check(received, "receive a line");
            if (received == 0) {
                throw new ErrnoException(ECONNRESET, "the peer went after " + line.length() + " bytes of a line");
            }
            // One char for each byte until the line is whole: a piece may end inside a character.
            line.append(new String(
                    buffer.asSlice(0, received).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1));
            int end = line.indexOf("\n", (int) (line.length() - received));
            if ((end < 0 ? line.length() : end) > maxBytes) {
                throw new ErrnoException(EMSGSIZE, "a line of more than " + maxBytes + " bytes");
            }
            if (end >= 0) {
                return new String(line.substring(0, end).getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
            }
        }
    }

    /**
     * Sends a line.
     *
     * @param limitNs how long that may take
     * @throws ErrnoException ETIMEDOUT when it takes longer, EPIPE or ECONNRESET when the peer is gone
     */
    public void write(String line, long limitNs) {
        MemorySegment bytes = Arena.ofAuto().allocateFrom(line + "\n");
        // Without the zero behind the text.
        long length = bytes.byteSize() - 1;
        long start = System.nanoTime();
        for (long at = 0; at < length; ) {
            long sent = io.send(socket.value(), bytes, at, length - at, NO_FDS, 0, SocketIo.MSG_DONTWAIT);
            if (sent == -EAGAIN || sent == -EINTR) {
                await(Poll.POLLOUT, start, limitNs);
            } else {
                at += ErrnoException.check(sent, "send a line");
            }
        }
    }

    /** The socket, the caller's from now on, which goes on behind the line that was read last. */
    public Fd detach() {
        Fd detached = socket.dup();
        close();
        return detached;
    }

    @Override
    public void close() {
        io.close();
        socket.close();
    }

    private void await(int events, long start, long limitNs) {
        long left = limitNs - (System.nanoTime() - start);
        if (left <= 0) {
            throw new ErrnoException(ETIMEDOUT, "a line took more than " + limitNs / 1_000_000 + " ms");
        }
        Poll.poll(socket.value(), events, Math.min(left, TICK_NS));
    }
}
