package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.EPROTO;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * What a server and its keeper say to each other, in packets of a {@link FdChannel}. The server asks, and each question but the last kind has
 * an answer: 0 and what was asked for, or an errno and why not.
 */
final class KeeperWords {

    /**
     * What have servers before left? The answer begins with {@link #ANOTHER_SERVES} or 0, an {@link Estate} follows, and its descriptors are
     * with it.
     */
    static final String ESTATE = "ESTATE";

    /** Another server serves still, until this one is ready. */
    static final byte ANOTHER_SERVES = 1;

    /** Here is what the next server is to find: an {@link Estate} follows. */
    static final String KEEP = "KEEP\n";

    /** Listen at this path: the answer has the socket at which its connections come in. */
    static final String LISTEN = "LISTEN ";

    /** Listen there no more. */
    static final String UNLISTEN = "UNLISTEN ";

    /** Who is connected at this path? Nothing, or what a server needs to go on. */
    static final String CLIENT = "CLIENT ";

    /** This server serves: clients may come. No answer. */
    static final String SERVING = "SERVING";

    /** This server is ready to go on. The answer comes when the other one is gone. */
    static final String WARM = "WARM";

    /**
     * Start another server, and have it go on when it is ready: then the connection is closed. The answer says why not. A descriptor that comes
     * with it is of a {@link FdChannel} over which to tell what has become of that.
     */
    static final String REPLACE = "REPLACE";

    static final int MAX_BYTES = 64 << 20;
    static final long LIMIT_NS = 10_000_000_000L;

    private KeeperWords() {}

    static void ask(FdChannel channel, String question, List<Fd> fds) {
        channel.send(question.getBytes(StandardCharsets.UTF_8), fds, LIMIT_NS);
    }

    static void answer(FdChannel channel, byte[] bytes, List<Fd> fds) {
        channel.send(
                ByteBuffer.allocate(Integer.BYTES + bytes.length)
                        .putInt(0)
                        .put(bytes)
                        .array(),
                fds,
                LIMIT_NS);
    }

    static void refuse(FdChannel channel, ErrnoException why) {
        // Whoever hears it says what the number means.
        String what = String.valueOf(why.getMessage()).replace(": " + Errno.describe(why.errno()), "");
        byte[] text = what.getBytes(StandardCharsets.UTF_8);
        channel.send(
                ByteBuffer.allocate(Integer.BYTES + text.length)
                        .putInt(why.errno())
                        .put(text)
                        .array(),
                List.of(),
                LIMIT_NS);
    }

    /**
     * What was asked for.
     *
     * @return the caller's
     * @throws ErrnoException why it was refused
     */
    static FdChannel.Packet hear(FdChannel channel) {
        return hear(channel, LIMIT_NS);
    }

    /** The same, waiting as long as this for it. */
    static FdChannel.Packet hear(FdChannel channel, long limitNs) {
        FdChannel.Packet packet = channel.receive(MAX_BYTES, limitNs);
        if (packet.bytes().length < Integer.BYTES) {
            packet.close();
            throw new ErrnoException(EPROTO, "an answer of the keeper that is cut short");
        }
        ByteBuffer in = ByteBuffer.wrap(packet.bytes());
        int errno = in.getInt();
        byte[] rest = new byte[in.remaining()];
        in.get(rest);
        if (errno != 0) {
            packet.close();
            throw new ErrnoException(errno, new String(rest, StandardCharsets.UTF_8));
        }
        return new FdChannel.Packet(rest, packet.fds());
    }
}
