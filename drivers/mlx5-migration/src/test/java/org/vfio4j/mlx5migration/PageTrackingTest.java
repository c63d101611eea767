package org.vfio4j.mlx5migration;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.mlx5.PageTrackRange;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/** Which ranges a page tracker gets. */
class PageTrackingTest {

    private static final int PAGE = 4096;

    @Test
    void mergesTheNearestRangesWhenThereAreTooMany() {
        List<Range> ranges = new ArrayList<>();
        for (long i = 0; i < 40; i++) {
            ranges.add(new Range(i << 30, PAGE));
            ranges.add(new Range((i << 30) + 2 * PAGE, PAGE));
        }
        List<PageTrackRange> combined = PageTracking.combine(ranges, 40);
        assertThat(combined).hasSize(40).allMatch(range -> range.last() - range.first() == 3 * PAGE - 1);
        List<PageTrackRange> few = PageTracking.combine(ranges, 16);
        assertThat(few).hasSize(16);
        assertThat(ranges)
                .allMatch(range ->
                        few.stream().anyMatch(one -> one.first() <= range.iova() && one.last() >= range.last()));
        assertThat(PageTracking.combine(List.of(), 16)).containsExactly(new PageTrackRange(0, -1));
    }
}
