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
     * @param iova first byte
     * @param sizeBytes greater than 0
     */
    record Range(long iova, long sizeBytes) {}

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
     * Names each page in a range that the device has written since the last report, and forgets it.
     *
     * @param dirtyPage takes the address of each
     */
    void readAndClear(Range range, LongConsumer dirtyPage);
}
