package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class LatencyHistogramTest {

    private final LatencyHistogram histogram = new LatencyHistogram();

    @Test
    void isEmptyAtFirstAndAfterClear() {
        assertThat(histogram.percentile(99)).isZero();
        histogram.record(5);
        histogram.clear();
        assertThat(histogram.count()).isZero();
        assertThat(histogram.percentile(50)).isZero();
    }

    @Test
    void takesTimesThatRunBackwardsAndTheLongest() {
        histogram.record(-1);
        histogram.record(Long.MAX_VALUE);
        assertThat(histogram.percentile(50)).isZero();
        assertThat(histogram.percentile(100)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void isExactForSmallNumbers() {
        for (int ns = 1; ns <= 100; ns++) {
            histogram.record(ns);
        }
        assertThat(histogram.percentile(50)).isEqualTo(50);
        assertThat(histogram.percentile(99)).isEqualTo(99);
    }

    @Test
    void isWithinOnePercentForLargeOnes() {
        for (long ns = 1000; ns <= 1_000_000; ns += 1000) {
            histogram.record(ns);
        }
        assertThat(histogram.count()).isEqualTo(1000);
        assertThat(histogram.percentile(50)).isCloseTo(500_000, Percentage.withPercentage(1));
        assertThat(histogram.percentile(99.9)).isCloseTo(999_000, Percentage.withPercentage(1));
    }
}
