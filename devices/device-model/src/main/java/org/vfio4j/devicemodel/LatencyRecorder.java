package org.vfio4j.devicemodel;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Counts durations by {@link LatencyBuckets}. One thread records, without a lock or an allocation; others take snapshots meanwhile.
 */
final class LatencyRecorder {

    private static final int TOTAL_NS = LatencyBuckets.COUNT;
    private static final int MAX_NS = TOTAL_NS + 1;

    // Requests of a batch often took the same time.
    private long lastNs;
    private int lastBucket;

    private final AtomicLongArray values = new AtomicLongArray(MAX_NS + 1);

    /** By the one thread. */
    void record(long durationNs) {
        long ns = Math.max(durationNs, 0);
        if (ns != lastNs) {
            lastNs = ns;
            lastBucket = LatencyBuckets.of(ns);
            if (ns > values.getPlain(MAX_NS)) {
                values.setOpaque(MAX_NS, ns);
            }
        }
        add(lastBucket, 1);
        add(TOTAL_NS, ns);
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
