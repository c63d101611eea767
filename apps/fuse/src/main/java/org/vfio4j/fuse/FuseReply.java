package org.vfio4j.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** A reply under construction: {@code struct fuse_out_header}, and fields one after the other. One thread uses it. */
final class FuseReply {

    /** Bytes of {@code struct fuse_out_header}. */
    static final int HEADER_BYTES = 16;

    private static final int ERROR = 4;
    private static final int UNIQUE = 8;

    private final MemorySegment bytes;
    private int length = HEADER_BYTES;

    /** @param bytes where it is made: room for the largest */
    FuseReply(MemorySegment bytes) {
        this.bytes = bytes;
    }

    FuseReply u16(int value) {
        bytes.set(JAVA_SHORT_UNALIGNED, length, (short) value);
        length += Short.BYTES;
        return this;
    }

    FuseReply u32(int value) {
        bytes.set(JAVA_INT_UNALIGNED, length, value);
        length += Integer.BYTES;
        return this;
    }

    FuseReply u64(long value) {
        bytes.set(JAVA_LONG_UNALIGNED, length, value);
        length += Long.BYTES;
        return this;
    }

    FuseReply raw(byte[] data) {
        MemorySegment.copy(data, 0, bytes, JAVA_BYTE, length, data.length);
        length += data.length;
        return this;
    }

    FuseReply zeroes(int count) {
        bytes.asSlice(length, count).fill((byte) 0);
        length += count;
        return this;
    }

    /** Bytes behind the header so far. */
    int bodyBytes() {
        return length - HEADER_BYTES;
    }

    /**
     * Completes the header.
     *
     * @param errno 0, or why there is no body
     * @return all of it
     */
    MemorySegment finish(long unique, int errno) {
        int total = errno == 0 ? length : HEADER_BYTES;
        bytes.set(JAVA_INT_UNALIGNED, 0, total);
        bytes.set(JAVA_INT_UNALIGNED, ERROR, -errno);
        bytes.set(JAVA_LONG_UNALIGNED, UNIQUE, unique);
        return bytes.asSlice(0, total);
    }
}
