package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.ECONNRESET;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.vfio4j.sys.ErrnoException;

/** Bytes under TLS: the JDK's, which costs copies and the processor's time. */
public final class TlsChannel implements MigrationChannel {

    private static final int PIECE_BYTES = 64 << 10;

    private final SSLSocket socket;
    private final ChannelWatch watch;
    private final byte[] out = new byte[PIECE_BYTES];
    private final byte[] in = new byte[PIECE_BYTES];

    // After the handshake, until the other side has said something: it may still refuse this one.
    private volatile boolean onTrial;

    /**
     * Shakes hands.
     *
     * @param socket connected, with its choice of who has to show a certificate; the channel's from now on
     * @param patienceNs how long the other side may do nothing
     * @throws ErrnoException EACCES when the sides do not trust each other
     */
    public TlsChannel(SSLSocket socket, long patienceNs) {
        this.socket = socket;
        watch = new ChannelWatch(socket, patienceNs);
        try {
            trusted(ChannelWatch.Direction.IN, () -> {
                socket.startHandshake();
                return 0;
            });
            onTrial = true;
        } catch (RuntimeException e) {
            watch.close();
            throw e;
        }
    }

    @Override
    public void write(List<MemorySegment> pieces) {
        int filled = 0;
        for (MemorySegment piece : pieces) {
            for (long at = 0; at < piece.byteSize(); ) {
                int count = (int) Math.min(PIECE_BYTES - filled, piece.byteSize() - at);
                MemorySegment.copy(piece, ValueLayout.JAVA_BYTE, at, out, filled, count);
                filled += count;
                at += count;
                if (filled == PIECE_BYTES) {
                    send(filled);
                    filled = 0;
                }
            }
        }
        send(filled);
    }

    @Override
    public int read(MemorySegment into) {
        int most = (int) Math.min(PIECE_BYTES, into.byteSize());
        int count =
                trusted(ChannelWatch.Direction.IN, () -> socket.getInputStream().read(in, 0, most));
        if (count > 0) {
            onTrial = false;
            MemorySegment.copy(in, 0, into, ValueLayout.JAVA_BYTE, 0, count);
        }
        return count;
    }

    @Override
    public void close() {
        watch.close();
    }

    private void send(int count) {
        if (count > 0) {
            trusted(ChannelWatch.Direction.OUT, () -> {
                write(count);
                return count;
            });
        }
    }

    /**
     * That the other side does not trust this one comes out after the handshake, as a client has it (RFC 8446, 4.4.2): as an alert, or as the
     * end of the connection, which overtakes the alert when this side was writing.
     */
    private int trusted(ChannelWatch.Direction direction, ChannelWatch.Call call) {
        try {
            return watch.call(direction, () -> {
                try {
                    return call.make();
                } catch (SSLException e) {
                    throw new ErrnoException(EACCES, "migration: TLS: " + e.getMessage());
                }
            });
        } catch (ErrnoException e) {
            if (onTrial && e.errno() == ECONNRESET) {
                throw new ErrnoException(
                        EACCES, "migration: TLS: the other side has ended it before a word: it may not trust this one");
            }
            throw e;
        }
    }

    private void write(int count) throws IOException {
        socket.getOutputStream().write(out, 0, count);
    }
}
