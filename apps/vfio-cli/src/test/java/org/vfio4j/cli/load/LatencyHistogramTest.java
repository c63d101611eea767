package org.vfio4j.cli.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
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

    @Test
    void isWithinOneIn128OfTheExactRankWhateverTheDistribution() {
        Random random = new Random(1);
        long[] exact = new long[100_000];
        for (int i = 0; i < exact.length; i++) {
            exact[i] = (long) Math.exp(random.nextDouble(22));
            histogram.record(exact[i]);
        }
        Arrays.sort(exact);
        for (double percent : new double[] {0.1, 1, 25, 50, 90, 99, 99.9, 99.99, 100}) {
            long wanted = exact[(int) Math.ceil(exact.length * percent / 100) - 1];
            assertThat(histogram.percentile(percent))
                    .as("percentile %s", percent)
                    .isBetween(wanted, wanted + wanted / 128);
        }
        assertThat(histogram.max()).isEqualTo(exact[exact.length - 1]);
        assertThat(histogram.percentile(100)).isEqualTo(histogram.max());
    }

    @Test
    void addsUp() {
        LatencyHistogram other = new LatencyHistogram();
        histogram.record(10);
        other.record(20);
        other.record(30_000);
        histogram.add(other);
        assertThat(histogram.count()).isEqualTo(3);
        assertThat(histogram.percentile(50)).isEqualTo(20);
        assertThat(histogram.max()).isEqualTo(30_000);
    }
}
