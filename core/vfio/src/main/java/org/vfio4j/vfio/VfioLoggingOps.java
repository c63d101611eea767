package org.vfio4j.vfio;

import java.util.List;
import java.util.function.LongConsumer;

/**
 * What a driver does to tell which memory its device has written: {@code struct vfio_log_ops} (linux/vfio.h). VFIO has checked
 * the arguments; the user's thread calls. Failures are {@code ErrnoException}s, whose errno goes to the user.
 */
public interface VfioLoggingOps {

    /**
     * A range of IO addresses.
     *
     * @param iova first byte, unsigned
     * @param sizeBytes not 0, unsigned
     */
    record Range(long iova, long sizeBytes) {

        /** The last byte, unsigned. */
        public long last() {
            return iova + sizeBytes - 1;
        }

        @Override
        public String toString() {
            return "iova 0x" + Long.toHexString(iova) + " size 0x" + Long.toHexString(sizeBytes);
        }
    }

    /**
     * Begins to log the writes of the device.
     *
     * @param ranges what to log, disjoint, in ascending order; empty for all addresses
     * @param pageSizeBytes what the user would like, a power of two
     * @return the page size that is logged
     */
    long start(List<Range> ranges, long pageSizeBytes);

    /** Ends it, and forgets what was logged. */
    void stop();

    /**
     * Names each page with a byte in a range that the device has written since the last report, and forgets it. A page of the log
     * that reaches out of the range stays dirty.
     *
     * @param dirtyPage takes the address of each: of its first byte, in pages of the log
     */
    void readAndClear(Range range, LongConsumer dirtyPage);
}
