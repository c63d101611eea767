package org.vfio4j.cli.load;

import java.util.Arrays;

/**
 * Counts durations, exact to 1 in 128, from 0 to the largest long. Recording allocates nothing. Belongs to one thread.
 */
public final class LatencyHistogram {

    /** Each power of two has so many buckets of equal width. */
    private static final int PRECISION_BITS = 7;

    private static final int STEPS = 1 << PRECISION_BITS;

    private final long[] buckets = new long[(Long.SIZE - PRECISION_BITS) * STEPS];
    private long count;
    private long max;

    public void record(long ns) {
        long counted = Math.max(ns, 0);
        buckets[bucket(counted)]++;
        count++;
        max = Math.max(max, counted);
    }

    /** Counts all that another one has counted. */
    public void add(LatencyHistogram other) {
        for (int i = 0; i < buckets.length; i++) {
            buckets[i] += other.buckets[i];
        }
        count += other.count;
        max = Math.max(max, other.max);
    }

    public void clear() {
        Arrays.fill(buckets, 0);
        count = 0;
        max = 0;
    }

    /** The longest, exactly; 0 when there are none. */
    public long max() {
        return max;
    }

    public long count() {
        return count;
    }

    /** The duration that {@code percent} of all do not exceed; 0 when there are none. */
    public long percentile(double percent) {
        long rank = Math.max(1, (long) Math.ceil(count * percent / 100));
        long seen = 0;
        for (int i = 0; i < buckets.length; i++) {
            seen += buckets[i];
            if (seen >= rank) {
                return Math.min(highest(i), max);
            }
        }
        return 0;
    }

    private static int bucket(long ns) {
        int shift = Math.max(0, Long.SIZE - 1 - PRECISION_BITS - Long.numberOfLeadingZeros(ns | 1));
        return shift * STEPS + (int) (ns >>> shift);
    }

    /** The largest duration that is counted in a bucket. */
    private static long highest(int bucket) {
        int shift = Math.max(0, bucket / STEPS - 1);
        long step = bucket - (long) shift * STEPS;
        return ((step + 1) << shift) - 1;
    }
}
