package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EMSGSIZE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * Sends frames, several with one call where they are small. What a piece refers to is sent before {@link #flush} returns, or earlier.
 * Belongs to one thread.
 */
final class FrameWriter {

    private static final int MAX_FRAMES = 256;
    private static final long MAX_BYTES = 4 << 20;

    private final MigrationChannel channel;
    private final MemorySegment headers =
            Arena.ofAuto().allocate((long) MAX_FRAMES * MigrationFrame.HEADER_BYTES, Long.BYTES);
    private final List<MemorySegment> pieces = new ArrayList<>();
    private int frames;
    private long gathered;
    private long sent;

    FrameWriter(MigrationChannel channel) {
        this.channel = channel;
    }

    /** Bytes since the beginning, those that wait included. */
    long bytes() {
        return sent + gathered;
    }

    /** A frame without data. */
    void put(int type, long value, long length) {
        put(type, 0, value, length);
    }

    /** A frame without data, about a disk. */
    void put(int type, int index, long value, long length) {
        MemorySegment header =
                headers.asSlice((long) frames * MigrationFrame.HEADER_BYTES, MigrationFrame.HEADER_BYTES);
        header.set(JAVA_INT_UNALIGNED, MigrationFrame.TYPE, type);
        header.set(JAVA_INT_UNALIGNED, MigrationFrame.INDEX, index);
        header.set(JAVA_LONG_UNALIGNED, MigrationFrame.VALUE, value);
        header.set(JAVA_LONG_UNALIGNED, MigrationFrame.LENGTH, length);
        pieces.add(header);
        frames++;
        gathered += MigrationFrame.HEADER_BYTES;
        if (frames == MAX_FRAMES) {
            flush();
        }
    }

    /** A frame with data, which stays as it is until it is sent. */
    void put(int type, long value, MemorySegment data) {
        put(type, 0, value, data);
    }

    /** A frame with data of a disk, likewise. */
    void put(int type, int index, long value, MemorySegment data) {
        if (data.byteSize() > MigrationFrame.MAX_DATA) {
            throw new ErrnoException(
                    EMSGSIZE,
                    MigrationFrame.name(type) + " of " + data.byteSize() + " bytes: the limit is "
                            + MigrationFrame.MAX_DATA);
        }
        if (frames == MAX_FRAMES - 1) {
            flush();
        }
        put(type, index, value, data.byteSize());
        if (data.byteSize() > 0) {
            pieces.add(data);
            gathered += data.byteSize();
        }
        if (gathered >= MAX_BYTES) {
            flush();
        }
    }

    void put(int type, byte[] data) {
        put(type, 0, MemorySegment.ofArray(data));
    }

    void send(int type) {
        put(type, 0, 0);
        flush();
    }

    void flush() {
        if (!pieces.isEmpty()) {
            channel.write(pieces);
            pieces.clear();
            sent += gathered;
            gathered = 0;
            frames = 0;
        }
    }
}
