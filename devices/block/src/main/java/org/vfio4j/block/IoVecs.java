package org.vfio4j.block;

import org.vfio4j.sys.RawMemory;

/** Arrays of {@code struct iovec {void *base; size_t len;}} at raw addresses. */
final class IoVecs {

    static final long SIZEOF = 16;

    private static final long LEN = 8;

    private IoVecs() {}

    static long base(long iov, int i) {
        return RawMemory.getLong(iov + i * SIZEOF);
    }

    static long length(long iov, int i) {
        return RawMemory.getLong(iov + i * SIZEOF + LEN);
    }

    static void set(long iov, int i, long base, long length) {
        RawMemory.putLong(iov + i * SIZEOF, base);
        RawMemory.putLong(iov + i * SIZEOF + LEN, length);
    }

    /** Bytes of all pieces. */
    static long total(long iov, int count) {
        long total = 0;
        for (int i = 0; i < count; i++) {
            total += length(iov, i);
        }
        return total;
    }

    /** Takes {@code done} bytes, less than all, off the front: returns the index of the piece that is now the first. */
    static int advance(long iov, int first, long done) {
        int i = first;
        long left = done;
        while (left >= length(iov, i)) {
            left -= length(iov, i);
            i++;
        }
        set(iov, i, base(iov, i) + left, length(iov, i) - left);
        return i;
    }
}
