package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.vfio4j.sys.ErrnoException;

/**
 * Receives frames: {@link #next}, then their data, all of it. Small ones come through a buffer, long data goes where it belongs at once.
 * What the peer says is checked against limits before anything is allocated for it. Belongs to one thread.
 */
final class FrameReader {

    private static final int BUFFER_BYTES = 256 << 10;

    /** Data that is longer goes where it belongs without the buffer. */
    private static final int DIRECT_BYTES = 16 << 10;

    /** What is read ahead behind long data: the next header, and little of the long data that follows it as a rule. */
    private static final int SHORT_FILL_BYTES = 4 << 10;

    private static final int MAX_MESSAGE_CHARS = 1000;

    private final MigrationChannel channel;
    private final MemorySegment buffer = Arena.ofAuto().allocate(BUFFER_BYTES, Long.BYTES);
    private final MemorySegment header = Arena.ofAuto().allocate(MigrationFrame.HEADER_BYTES, Long.BYTES);
    private int from;
    private int to;
    private int type;
    private int index;
    private long value;
    private long length;

    FrameReader(MigrationChannel channel) {
        this.channel = channel;
    }

    /**
     * Waits for the next frame.
     *
     * @return its type
     * @throws ErrnoException EPROTO for what is none; ECONNRESET when the stream ends
     */
    int next() {
        read(header);
        type = header.get(JAVA_INT_UNALIGNED, MigrationFrame.TYPE);
        value = header.get(JAVA_LONG_UNALIGNED, MigrationFrame.VALUE);
        length = header.get(JAVA_LONG_UNALIGNED, MigrationFrame.LENGTH);
        index = header.get(JAVA_INT_UNALIGNED, MigrationFrame.INDEX);
        if ((index != 0 && !MigrationFrame.isStorage(type)) || length < 0) {
            throw new ErrnoException(EPROTO, "migration: a header that is none, of a " + MigrationFrame.name(type));
        }
        return type;
    }

    /**
     * Waits for one frame and no other. A peer that has failed says so instead.
     *
     * @throws ErrnoException what the peer has failed with; EPROTO for another frame
     */
    void expect(int wanted) {
        next();
        if (type == MigrationFrame.REFUSED || type == MigrationFrame.FAILED) {
            throw failure();
        }
        if (type != wanted) {
            throw unexpected();
        }
    }

    /**
     * What the peer has failed with, behind frames without data that it has sent before.
     *
     * @throws ErrnoException when it says nothing of the kind
     */
    PeerFailure awaitFailure() {
        while (next() != MigrationFrame.REFUSED && type != MigrationFrame.FAILED) {
            if (length != 0) {
                throw unexpected();
            }
        }
        return failure();
    }

    /** What a REFUSED or FAILED says. */
    PeerFailure failure() {
        String text = new String(data(MigrationFrame.HEADER_BYTES + 4 * MAX_MESSAGE_CHARS), StandardCharsets.UTF_8);
        int errno = value > 0 && value < 4096 ? (int) value : EPROTO;
        // It goes to a terminal.
        String plain = text.codePoints()
                .limit(MAX_MESSAGE_CHARS)
                .map(c -> Character.isISOControl(c) ? '?' : c)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
        return new PeerFailure(errno, plain);
    }

    ErrnoException unexpected() {
        return new ErrnoException(EPROTO, "migration: a " + MigrationFrame.name(type) + " where none belongs");
    }

    int type() {
        return type;
    }

    /** Of a frame about a disk: which; anything. */
    int index() {
        return index;
    }

    long value() {
        return value;
    }

    long length() {
        return length;
    }

    /** All data of the frame. */
    byte[] data(int limit) {
        if (length > limit) {
            throw new ErrnoException(
                    EPROTO,
                    "migration: a " + MigrationFrame.name(type) + " of " + length + " bytes: the limit is " + limit);
        }
        byte[] bytes = new byte[(int) length];
        MemorySegment all = MemorySegment.ofArray(bytes);
        for (int at = 0; at < bytes.length; ) {
            if (from == to) {
                fill();
            }
            int count = Math.min(bytes.length - at, to - from);
            MemorySegment.copy(buffer, from, all, at, count);
            from += count;
            at += count;
        }
        return bytes;
    }

    /** As much data of the frame as fits, which is all or a part that the caller counts. */
    void read(MemorySegment into) {
        long buffered = Math.min(to - from, into.byteSize());
        MemorySegment.copy(buffer, from, into, 0, buffered);
        from += (int) buffered;
        for (long at = buffered; at < into.byteSize(); ) {
            long left = into.byteSize() - at;
            if (left >= DIRECT_BYTES) {
                at += received(into.asSlice(at, left));
            } else {
                fill();
                long count = Math.min(left, to - from);
                MemorySegment.copy(buffer, from, into, at, count);
                from += (int) count;
                at += count;
            }
        }
    }

    private void fill() {
        from = 0;
        to = 0;
        boolean behindLong = length >= BUFFER_BYTES;
        to = received(behindLong ? buffer.asSlice(0, SHORT_FILL_BYTES) : buffer);
    }

    private int received(MemorySegment into) {
        int count = channel.read(into);
        if (count <= 0) {
            throw new ErrnoException(ECONNRESET, "migration: the other side has ended the stream");
        }
        return count;
    }

    static byte[] text(String message) {
        return MemorySegment.ofArray(message.getBytes(StandardCharsets.UTF_8)).toArray(JAVA_BYTE);
    }
}
