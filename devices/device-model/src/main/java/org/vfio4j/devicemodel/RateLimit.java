package org.vfio4j.devicemodel;

import java.util.concurrent.atomic.AtomicLong;

/**
 * So many units in a second, and no more: a token bucket that may be overdrawn by what is already taken, kept as the time at which
 * it is no longer empty (the virtual scheduling form of ITU-T I.371's generic cell rate algorithm). Any thread; no locks.
 *
 * <p>Times are in sixteenths of ns since some origin, since a byte costs less than a ns where rates are high.
 */
final class RateLimit {

    /** Ticks in a ns. */
    static final long TICKS = 16;

    private static final double TICKS_PER_SECOND = 1e9 * TICKS;

    /** What one request costs at most, about 52 days: so that sums do not overflow. */
    private static final long MOST = 1L << 56;

    private record Rate(long perSecond, double unitTicks, long burstTicks) {}

    private static final Rate NONE = new Rate(0, 0, 0);

    // The bucket is empty until then; the further back, the more is in it, up to the burst.
    private final AtomicLong due = new AtomicLong();
    private volatile Rate rate = NONE;

    /**
     * Another rate from now on. The bucket is empty, and nothing is owed.
     *
     * @param perSecond 0 for no limit
     * @param burstNs how much an idle device saves up
     */
    void set(long perSecond, long burstNs, long now) {
        rate = perSecond == 0 ? NONE : new Rate(perSecond, TICKS_PER_SECOND / perSecond, burstNs * TICKS);
        due.set(now);
    }

    /** 0 for no limit. */
    long perSecond() {
        return rate.perSecond;
    }

    /** Ticks until something may be taken, 0 or less for now. */
    long ticksLeft(long now) {
        return rate.perSecond == 0 ? 0 : due.get() - now;
    }

    /** Something was taken. */
    void charge(long units, long now) {
        Rate current = rate;
        if (current.perSecond == 0) {
            return;
        }
        long cost = Math.min(MOST, (long) (units * current.unitTicks));
        long before;
        do {
            before = due.get();
        } while (!due.compareAndSet(before, Math.max(before, now - current.burstTicks) + cost));
    }
}
