package org.vfio4j.devicemodel;

import java.util.function.BiConsumer;

/** How long commands took, as it was at one moment: a histogram that does not change. */
public final class LatencySnapshot {

    /** Nothing was recorded. */
    public static final LatencySnapshot EMPTY = new LatencySnapshot(new long[LatencyBuckets.COUNT], 0, 0);

    private final long[] counts;
    private final long count;
    private final long totalNs;
    private final long maxNs;

    /** @param counts one for each of {@link LatencyBuckets}, given away */
    LatencySnapshot(long[] counts, long totalNs, long maxNs) {
        this.counts = counts;
        this.totalNs = totalNs;
        this.maxNs = maxNs;
        long sum = 0;
        for (long each : counts) {
            sum += each;
        }
        count = sum;
    }

    /** How many commands. */
    public long count() {
        return count;
    }

    /** How long all together took, in nanoseconds. */
    public long totalNs() {
        return totalNs;
    }

    /** The longest, in nanoseconds; 0 when there is none. */
    public long maxNs() {
        return maxNs;
    }

    /**
     * The duration that {@code percent} of all do not exceed, within 1 % from 1 us to 137 s and within 8 ns below; 0 when there are
     * none.
     *
     * @param percent 0 to 100
     */
    public long percentileNs(double percent) {
        if (percent >= 100) {
            return maxNs;
        }
        long rank = Math.max(1, (long) Math.ceil(count * percent / 100));
        long seen = 0;
        for (int i = 0; i < counts.length; i++) {
            seen += counts[i];
            if (seen >= rank) {
                long middle = (LatencyBuckets.lowestNs(i) + LatencyBuckets.highestNs(i)) >>> 1;
                return Math.min(middle, maxNs);
            }
        }
        return 0;
    }

    /** How many commands took no longer than {@code ns}, to the precision of {@link #percentileNs}. */
    public long countUpTo(long ns) {
        long sum = 0;
        for (int i = 0; i <= LatencyBuckets.of(ns); i++) {
            sum += counts[i];
        }
        return sum;
    }

    /** What came since {@code earlier}, a snapshot of the same. Its maximum is known to the precision of {@link #percentileNs}. */
    public LatencySnapshot since(LatencySnapshot earlier) {
        long[] rest = counts.clone();
        int last = -1;
        for (int i = 0; i < rest.length; i++) {
            rest[i] = Math.max(0, rest[i] - earlier.counts[i]);
            last = rest[i] == 0 ? last : i;
        }
        long longest = last < 0 ? 0 : Math.min(LatencyBuckets.highestNs(last), maxNs);
        return new LatencySnapshot(rest, Math.max(0, totalNs - earlier.totalNs), longest);
    }

    /** Both together. */
    public LatencySnapshot plus(LatencySnapshot other) {
        long[] sums = counts.clone();
        for (int i = 0; i < sums.length; i++) {
            sums[i] += other.counts[i];
        }
        return new LatencySnapshot(sums, totalNs + other.totalNs, Math.max(maxNs, other.maxNs));
    }

    /** Gives the longest duration of each bucket that is not empty, in nanoseconds, with how many there are, the shortest first. */
    public void forEachBucket(BiConsumer<Long, Long> consumer) {
        for (int i = 0; i < counts.length; i++) {
            if (counts[i] != 0) {
                consumer.accept(LatencyBuckets.highestNs(i), counts[i]);
            }
        }
    }

    /**
     * What {@link #forEachBucket} gave, once more a histogram.
     *
     * @param highestNs of each bucket
     * @param counts as many
     */
    public static LatencySnapshot ofBuckets(long[] highestNs, long[] counts, long totalNs, long maxNs) {
        long[] all = new long[LatencyBuckets.COUNT];
        for (int i = 0; i < highestNs.length; i++) {
            all[LatencyBuckets.of(highestNs[i])] += counts[i];
        }
        return new LatencySnapshot(all, totalNs, maxNs);
    }
}
