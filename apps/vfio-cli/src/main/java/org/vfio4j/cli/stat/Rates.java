package org.vfio4j.cli.stat;

import org.vfio4j.devicemodel.LatencySnapshot;
import org.vfio4j.devicemodel.QueueSnapshot;

/**
 * What a queue, or all of a function, did in an interval, for each second of it.
 *
 * @param depth how many commands were in flight on average: the time that all took, for the interval's
 * @param inFlight how many are now
 * @param latency of what was answered in the interval
 */
record Rates(
        double reads,
        double writes,
        double others,
        double readBytes,
        double writtenBytes,
        double errors,
        double slow,
        double notifications,
        double interrupts,
        double depth,
        long inFlight,
        LatencySnapshot latency) {

    private static final double NS_PER_SECOND = 1e9;

    /** @param ns from the earlier snapshot to the later */
    static Rates between(QueueSnapshot earlier, QueueSnapshot later, long ns) {
        double perSecond = NS_PER_SECOND / Math.max(1, ns);
        LatencySnapshot latency = later.latency().since(earlier.latency());
        return new Rates(
                perSecond * (later.reads() - earlier.reads()),
                perSecond * (later.writes() - earlier.writes()),
                perSecond * (others(later) - others(earlier)),
                perSecond * (later.readBytes() - earlier.readBytes()),
                perSecond * (later.writtenBytes() - earlier.writtenBytes()),
                perSecond * (later.errors() - earlier.errors()),
                perSecond * (later.slow() - earlier.slow()),
                perSecond * (later.notifications() - earlier.notifications()),
                perSecond * (later.interrupts() - earlier.interrupts()),
                (double) latency.totalNs() / Math.max(1, ns),
                later.inFlight(),
                latency);
    }

    private static long others(QueueSnapshot queue) {
        return queue.flushes() + queue.discards() + queue.others();
    }
}
