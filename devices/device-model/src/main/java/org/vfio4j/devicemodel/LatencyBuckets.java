package org.vfio4j.devicemodel;

/**
 * How durations are sorted into buckets: 64 of equal width for each power of two, as HdrHistogram does it, so that the middle of a
 * bucket is within 1 % of everything in it from 1 us on. Below 2 us a bucket is 16 ns wide. The last one takes whatever is longer
 * than about 137 s.
 */
final class LatencyBuckets {

    /** How many there are. */
    static final int COUNT = 1792;

    private static final int UNIT_BITS = 4;
    private static final int STEP_BITS = 6;
    private static final int STEPS = 1 << STEP_BITS;

    private LatencyBuckets() {}

    static int of(long ns) {
        long units = Math.max(ns, 0) >>> UNIT_BITS;
        int shift = Math.max(0, Long.SIZE - 1 - STEP_BITS - Long.numberOfLeadingZeros(units | 1));
        return Math.min(shift * STEPS + (int) (units >>> shift), COUNT - 1);
    }

    /** The shortest duration of a bucket. */
    static long lowestNs(int bucket) {
        int shift = Math.max(0, bucket / STEPS - 1);
        return (bucket - (long) shift * STEPS) << (shift + UNIT_BITS);
    }

    /** The longest. */
    static long highestNs(int bucket) {
        int shift = Math.max(0, bucket / STEPS - 1);
        return ((bucket - (long) shift * STEPS + 1) << (shift + UNIT_BITS)) - 1;
    }
}
