package org.vfio4j.devicemodel;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Counts durations by {@link LatencyBuckets}. One thread records, without a lock or an allocation; others take snapshots meanwhile.
 */
final class LatencyRecorder {

    private static final int TOTAL_NS = LatencyBuckets.COUNT;
    private static final int MAX_NS = TOTAL_NS + 1;

    private final AtomicLongArray values = new AtomicLongArray(MAX_NS + 1);

    /** So many took {@code durationNs}. By the one thread. */
    void record(long durationNs, int times) {
        long ns = Math.max(durationNs, 0);
        if (ns > values.getPlain(MAX_NS)) {
            values.setOpaque(MAX_NS, ns);
        }
        add(LatencyBuckets.of(ns), times);
        add(TOTAL_NS, ns * times);
    }

    /** What was recorded so far; a duration that is being recorded is in it in part or not at all. */
    LatencySnapshot snapshot() {
        long[] counts = new long[LatencyBuckets.COUNT];
        for (int i = 0; i < counts.length; i++) {
            counts[i] = values.getOpaque(i);
        }
        return new LatencySnapshot(counts, values.getOpaque(TOTAL_NS), values.getOpaque(MAX_NS));
    }

    private void add(int index, long more) {
        values.setOpaque(index, values.getPlain(index) + more);
    }
}
