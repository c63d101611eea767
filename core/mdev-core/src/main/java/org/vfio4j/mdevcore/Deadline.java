package org.vfio4j.mdevcore;

import java.time.Duration;

/** When somebody stops waiting, at several places one after the other. */
final class Deadline {

    private final long startNs = System.nanoTime();
    private final long limitNs;

    private Deadline(long limitNs) {
        this.limitNs = limitNs;
    }

    static Deadline in(Duration limit) {
        // What is longer than nanoseconds can say is for ever.
        return new Deadline(limit.compareTo(MdevBus.FOREVER) >= 0 ? Long.MAX_VALUE : limit.toNanos());
    }

    /** How long is left; zero when nothing is. */
    long leftNs() {
        return limitNs == Long.MAX_VALUE ? Long.MAX_VALUE : Math.max(0, limitNs - (System.nanoTime() - startNs));
    }

    /** Otherwise as {@link #leftNs}. */
    Duration left() {
        return Duration.ofNanos(leftNs());
    }
}
