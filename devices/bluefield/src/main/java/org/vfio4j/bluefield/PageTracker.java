package org.vfio4j.bluefield;

import java.util.List;
import java.util.function.LongConsumer;
import org.vfio4j.bus.DirtyLog;
import org.vfio4j.mlx5.PageTrackRange;

/**
 * A page tracker object: which pages of some ranges a VHCA has written. Its windows {@link #mark}, any number at once; one thread at a
 * time reports.
 */
final class PageTracker {

    private final DirtyLog log;
    private final List<PageTrackRange> ranges;

    PageTracker(List<PageTrackRange> ranges, int logPageSize) {
        this.ranges = List.copyOf(ranges);
        log = new DirtyLog(1L << logPageSize);
    }

    void mark(long iova, long length) {
        log.mark(iova, length);
    }

    /** As {@link org.vfio4j.mlx5.Mlx5Firmware#reportPageTracker}. */
    void report(long iova, long last, LongConsumer dirtyPage) {
        for (PageTrackRange range : ranges) {
            long from = max(iova, range.first());
            long to = min(last, range.last());
            if (Long.compareUnsigned(from, to) <= 0) {
                log.readAndClear(from, to, dirtyPage);
            }
        }
    }

    private static long max(long a, long b) {
        return Long.compareUnsigned(a, b) < 0 ? b : a;
    }

    private static long min(long a, long b) {
        return Long.compareUnsigned(a, b) < 0 ? a : b;
    }
}
