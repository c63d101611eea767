package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * A question which pages of a range a device has written, and room for its answer.
 *
 * @param pageSizeBytes what a bit stands for
 * @param bitmap as long as {@link #bitmapBytes}, overwritten
 */
record DirtyPages(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {

    private static final int LEAST_PAGE_BYTES = 4096;

    /** The kernel's own limit. */
    private static final long MOST_BYTES = 1L << 28;

    /**
     * Bytes of a bitmap, which is made of words of 64 bits.
     *
     * @throws ErrnoException EINVAL for a page size that is no power of two or less than 4096, for no bytes, and for too many
     */
    static long bitmapBytes(long sizeBytes, long pageSizeBytes) {
        boolean pages = pageSizeBytes >= LEAST_PAGE_BYTES && Long.bitCount(pageSizeBytes) == 1;
        long bytes = pages && sizeBytes != 0
                ? (((sizeBytes - 1) >>> Long.numberOfTrailingZeros(pageSizeBytes)) / Long.SIZE + 1) * Long.BYTES
                : 0;
        if (bytes == 0 || bytes > MOST_BYTES) {
            throw new ErrnoException(
                    EINVAL,
                    "dirty bitmap of 0x" + Long.toHexString(sizeBytes) + " bytes with pages of "
                            + Long.toUnsignedString(pageSizeBytes) + " bytes: powers of two from " + LEAST_PAGE_BYTES
                            + " on, and a bitmap of " + MOST_BYTES + " bytes at most");
        }
        return bytes;
    }

    /** Says that all were written. */
    void setAll() {
        long last = (sizeBytes - 1) >>> Long.numberOfTrailingZeros(pageSizeBytes);
        bitmap.fill((byte) -1);
        bitmap.set(
                JAVA_LONG_UNALIGNED,
                bitmap.byteSize() - Long.BYTES,
                -1L >>> (Long.SIZE - 1 - (last & (Long.SIZE - 1))));
    }
}
