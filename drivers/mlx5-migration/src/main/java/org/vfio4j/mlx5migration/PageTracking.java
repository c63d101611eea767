package org.vfio4j.mlx5migration;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import org.vfio4j.mlx5.Mlx5Caps;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.PageTrackRange;
import org.vfio4j.vfio.VfioLoggingOps;

/**
 * Logging of what a VHCA writes, by a page tracker of its firmware. A page tracker has few ranges, so of many the nearest are
 * merged: what lies between them is tracked as well, which is no mistake. Used by the user's thread.
 */
final class PageTracking implements VfioLoggingOps {

    private static final int NONE = 0;
    private static final long LAST_ADDRESS = -1;

    private final Mlx5Firmware firmware;
    private final int vhcaId;
    private int tracker = NONE;

    PageTracking(Mlx5Firmware firmware, int vhcaId) {
        this.firmware = firmware;
        this.vhcaId = vhcaId;
    }

    @Override
    public long start(List<Range> ranges, long pageSizeBytes) {
        Mlx5Caps caps = firmware.caps();
        int asked = Long.numberOfTrailingZeros(pageSizeBytes);
        int logPageSize = Math.clamp(asked, caps.pgTrackLogMinPageSize(), caps.pgTrackLogMaxPageSize());
        tracker = firmware.createPageTracker(vhcaId, combine(ranges, caps.pgTrackMaxNumRange()), logPageSize);
        return 1L << logPageSize;
    }

    @Override
    public void stop() {
        int ending = tracker;
        tracker = NONE;
        if (ending != NONE) {
            firmware.destroyPageTracker(ending);
        }
    }

    @Override
    public void readAndClear(Range range, LongConsumer dirtyPage) {
        firmware.reportPageTracker(tracker, range.iova(), range.last(), dirtyPage);
    }

    /**
     * At most {@code most} ranges that cover {@code ranges}: those with the smallest gaps become one.
     *
     * @param ranges disjoint, in ascending order; empty for all addresses
     */
    static List<PageTrackRange> combine(List<Range> ranges, int most) {
        if (ranges.isEmpty()) {
            return List.of(new PageTrackRange(0, LAST_ADDRESS));
        }
        List<PageTrackRange> combined = new ArrayList<>();
        for (Range range : ranges) {
            combined.add(new PageTrackRange(range.iova(), range.last()));
        }
        while (combined.size() > most) {
            int nearest = 0;
            for (int i = 1; i + 1 < combined.size(); i++) {
                if (Long.compareUnsigned(gap(combined, i), gap(combined, nearest)) < 0) {
                    nearest = i;
                }
            }
            long last = combined.remove(nearest + 1).last();
            combined.set(nearest, new PageTrackRange(combined.get(nearest).first(), last));
        }
        return combined;
    }

    /** Bytes from the end of one range to the start of the next. */
    private static long gap(List<PageTrackRange> ranges, int index) {
        return ranges.get(index + 1).first() - ranges.get(index).last();
    }
}
