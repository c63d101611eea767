package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Percentiles are those of the exact durations, within the precision that is promised. */
class LatencyRecorderTest {

    private static final double[] PERCENTS = {0, 0.1, 1, 25, 50, 90, 99, 99.9, 99.99};
    private static final long HUNDRED_SECONDS_NS = 100_000_000_000L;

    @Test
    void everyBucketBeginsWhereTheOneBeforeEnds() {
        assertThat(LatencyBuckets.lowestNs(0)).isZero();
        for (int i = 0; i < LatencyBuckets.COUNT; i++) {
            assertThat(LatencyBuckets.of(LatencyBuckets.lowestNs(i))).isEqualTo(i);
            assertThat(LatencyBuckets.of(LatencyBuckets.highestNs(i))).isEqualTo(i);
            if (i > 0) {
                assertThat(LatencyBuckets.lowestNs(i)).isEqualTo(LatencyBuckets.highestNs(i - 1) + 1);
            }
        }
        assertThat(LatencyBuckets.highestNs(LatencyBuckets.COUNT - 1)).isGreaterThan(HUNDRED_SECONDS_NS);
    }

    @Test
    void theMiddleOfABucketIsWithinOnePercentOfItsEnds() {
        for (int i = LatencyBuckets.of(1000); i < LatencyBuckets.COUNT; i++) {
            long lowest = Math.max(1000, LatencyBuckets.lowestNs(i));
            long middle = (LatencyBuckets.lowestNs(i) + LatencyBuckets.highestNs(i)) / 2;
            assertThat((double) Math.max(middle - lowest, LatencyBuckets.highestNs(i) - middle) / lowest)
                    .as("bucket from %d ns", lowest)
                    .isLessThan(0.01);
        }
    }

    @Test
    void percentilesAreWithinOnePercentOfTheExactOnes() {
        for (long seed = 0; seed < 20; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            LatencyRecorder recorder = new LatencyRecorder();
            // Each magnitude from 1 us to 100 s is as likely as the next.
            double magnitudes = Math.log(HUNDRED_SECONDS_NS / 1000.0);
            long[] exact = new long[1 + random.nextInt(20_000)];
            for (int i = 0; i < exact.length; i++) {
                exact[i] = (long) (1000 * Math.exp(random.nextDouble() * magnitudes));
                recorder.record(exact[i], 1);
            }
            Arrays.sort(exact);
            LatencySnapshot snapshot = recorder.snapshot();
            assertThat(snapshot.count()).isEqualTo(exact.length);
            assertThat(snapshot.totalNs()).isEqualTo(Arrays.stream(exact).sum());
            assertThat(snapshot.maxNs()).isEqualTo(exact[exact.length - 1]);
            assertThat(snapshot.percentileNs(100)).isEqualTo(snapshot.maxNs());
            for (double percent : PERCENTS) {
                long expected = exact[Math.max(0, (int) Math.ceil(exact.length * percent / 100) - 1)];
                assertThat((double) snapshot.percentileNs(percent))
                        .as("%s %% of seed %d", percent, seed)
                        .isCloseTo(expected, within(expected * 0.01));
            }
        }
    }

    @Test
    void belowAMicrosecondTheErrorIsAtMost8Ns() {
        for (long ns = 0; ns <= 1000; ns++) {
            LatencyRecorder recorder = new LatencyRecorder();
            recorder.record(ns, 1);
            recorder.record(HUNDRED_SECONDS_NS, 1);
            assertThat(recorder.snapshot().percentileNs(50)).isCloseTo(ns, within(8L));
        }
    }

    @Test
    void whatIsOutOfRangeIsCountedAtItsEnds() {
        LatencyRecorder recorder = new LatencyRecorder();
        recorder.record(-5, 1);
        recorder.record(Long.MAX_VALUE, 1);
        LatencySnapshot snapshot = recorder.snapshot();
        assertThat(snapshot.count()).isEqualTo(2);
        assertThat(snapshot.percentileNs(50)).isLessThan(16);
        assertThat(snapshot.percentileNs(99)).isGreaterThan(HUNDRED_SECONDS_NS);
        assertThat(snapshot.maxNs()).isEqualTo(Long.MAX_VALUE);
        assertThat(LatencySnapshot.EMPTY.percentileNs(50)).isZero();
        assertThat(LatencySnapshot.EMPTY.percentileNs(100)).isZero();
    }

    @Test
    void anIntervalIsTheDifferenceOfTwoSnapshots() {
        LatencyRecorder recorder = new LatencyRecorder();
        recorder.record(50_000_000, 1);
        recorder.record(2_000, 1);
        LatencySnapshot earlier = recorder.snapshot();
        assertThat(recorder.snapshot().since(earlier).count()).isZero();
        assertThat(recorder.snapshot().since(earlier).maxNs()).isZero();
        for (int i = 0; i < 10; i++) {
            recorder.record(7_000, 1);
        }
        LatencySnapshot interval = recorder.snapshot().since(earlier);
        assertThat(interval.count()).isEqualTo(10);
        assertThat(interval.totalNs()).isEqualTo(70_000);
        assertThat((double) interval.maxNs()).isCloseTo(7_000, within(140.0));
        assertThat(interval.plus(earlier).count()).isEqualTo(12);
        assertThat(interval.plus(earlier).maxNs()).isEqualTo(50_000_000);
        assertThat(interval.countUpTo(6_000)).isZero();
        assertThat(interval.countUpTo(8_000)).isEqualTo(10);
    }

    @Test
    void isTheSameAfterItsBucketsTravelled() {
        LatencyRecorder recorder = new LatencyRecorder();
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 1000; i++) {
            recorder.record(random.nextLong(10_000_000), 1);
        }
        LatencySnapshot sent = recorder.snapshot();
        List<Long> ends = new ArrayList<>();
        List<Long> counts = new ArrayList<>();
        sent.forEachBucket((highestNs, count) -> {
            ends.add(highestNs);
            counts.add(count);
        });
        LatencySnapshot received = LatencySnapshot.ofBuckets(
                ends.stream().mapToLong(Long::longValue).toArray(),
                counts.stream().mapToLong(Long::longValue).toArray(),
                sent.totalNs(),
                sent.maxNs());
        for (double percent : PERCENTS) {
            assertThat(received.percentileNs(percent)).isEqualTo(sent.percentileNs(percent));
        }
        assertThat(received.count()).isEqualTo(1000);
    }

    @Test
    void recordingAllocatesNothing() {
        QueueStatistics statistics = new DeviceRecorder("test", 1, Long.MAX_VALUE, () -> 0).queue(0);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        work(statistics);
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 5; i++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            work(statistics);
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertThat(least).isLessThan(1000);
    }

    private static void work(QueueStatistics statistics) {
        CommandKind[] kinds = {CommandKind.READ, CommandKind.WRITE, CommandKind.FLUSH};
        for (int i = 0; i < 100_000; i++) {
            statistics.started(1);
            statistics.notified();
            statistics.completed(kinds[i % 3], 4096, i, true);
            statistics.interrupted();
        }
    }
}
