package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOVERFLOW;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/**
 * A bitmap of the pages of a range that a user asks for, in the user's memory: bit n of the little-endian u64 words stands for
 * {@code pageSizeBytes} bytes from {@code iova + n * pageSizeBytes} on.
 */
final class DirtyBitmap {

    private static final int MIN_PAGE_BYTES = 4096;

    /** The kernel's limit for type1 too. */
    private static final long MAX_BYTES = 1 << 28;

    private static final ValueLayout.OfLong WORD = JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Range range;
    private final int pageShift;
    private final MemorySegment words;
    private boolean empty = true;

    /**
     * A bitmap of zeroes.
     *
     * @param memory whose beginning it takes
     * @throws ErrnoException EINVAL for a page size that is no power of two or less than 4096, a range of no bytes or memory that
     *     is too short; EOVERFLOW for a range that goes past the end of the address space
     */
    DirtyBitmap(Range range, long pageSizeBytes, MemorySegment memory) {
        String what = "dirty bitmap of " + range + " with pages of " + Long.toUnsignedString(pageSizeBytes) + " bytes";
        if (Long.compareUnsigned(pageSizeBytes, MIN_PAGE_BYTES) < 0 || Long.bitCount(pageSizeBytes) != 1) {
            throw new ErrnoException(EINVAL, what + ": a power of two from " + MIN_PAGE_BYTES + " on is needed");
        }
        if (range.sizeBytes() == 0) {
            throw new ErrnoException(EINVAL, what);
        }
        if (Long.compareUnsigned(range.last(), range.iova()) < 0) {
            throw new ErrnoException(EOVERFLOW, what + " goes past the end of the address space");
        }
        this.range = range;
        pageShift = Long.numberOfTrailingZeros(pageSizeBytes);
        long needed = (((range.sizeBytes() - 1) >>> pageShift) / Long.SIZE + 1) * Long.BYTES;
        if (needed > Math.min(memory.byteSize(), MAX_BYTES)) {
            throw new ErrnoException(
                    EINVAL,
                    what + ": it has " + needed + " bytes, room is for " + memory.byteSize() + ", the limit is "
                            + MAX_BYTES);
        }
        words = memory.asSlice(0, needed).fill((byte) 0);
    }

    long byteSize() {
        return words.byteSize();
    }

    /** Whether nothing has been set. */
    boolean isEmpty() {
        return empty;
    }

    /** Sets the bits of all that a piece of memory has in common with the range. */
    void set(long iova, long sizeBytes) {
        long from = Long.compareUnsigned(iova, range.iova()) < 0 ? 0 : iova - range.iova();
        long end = iova + sizeBytes - 1;
        long to = (Long.compareUnsigned(end, range.last()) > 0 ? range.last() : end) - range.iova();
        long last = to >>> pageShift;
        for (long bit = from >>> pageShift; bit <= last; ) {
            long lastOfWord = Math.min(last, bit | (Long.SIZE - 1));
            long bits = (-1L << bit) & (-1L >>> (Long.SIZE - 1 - (lastOfWord & (Long.SIZE - 1))));
            long at = bit / Long.SIZE * Long.BYTES;
            words.set(WORD, at, words.get(WORD, at) | bits);
            bit = lastOfWord + 1;
        }
        empty = false;
    }

    /** Sets the bits of all pages. */
    void setAll() {
        long last = (range.sizeBytes() - 1) >>> pageShift;
        words.fill((byte) -1);
        words.set(WORD, words.byteSize() - Long.BYTES, -1L >>> (Long.SIZE - 1 - (last & (Long.SIZE - 1))));
        empty = false;
    }
}
