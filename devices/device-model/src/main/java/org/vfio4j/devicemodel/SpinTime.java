package org.vfio4j.devicemodel;

/**
 * Decides how long a queue thread looks for work before it sleeps. Belongs to that thread; the times are the caller's, in ns.
 *
 * <p>When it adapts, it follows what spinning brought: work that came while it spun doubles the time, up to the limit; having spun
 * in vain halves it, and below an eighth of the limit it sleeps at once. Asleep it cannot see how soon work would have been found,
 * since waking takes time as well; so after {@value #SHORT_SLEEPS} short sleeps in a row it tries the limit once.
 */
final class SpinTime {

    /** A sleep is short when it, and the spinning before it, took no more than so many times the limit. */
    private static final int SHORT = 4;

    private static final int SHORT_SLEEPS = 16;
    private static final int LEAST = 8;

    private final long limitNs;
    private final boolean adapts;

    private long spinNs;
    private boolean idle;
    private boolean slept;
    private long idleSinceNs;
    private int shortSleeps;

    SpinTime(QueuePolling polling) {
        limitNs = polling.spinNs();
        adapts = polling.adapts();
        spinNs = limitNs;
    }

    /** How long it would spin now. */
    long spinNs() {
        return spinNs;
    }

    /** Whether nothing was found the last time. */
    boolean isIdle() {
        return idle;
    }

    /** Nothing was found: whether to look again, and not to sleep. */
    boolean goesOn(long nowNs) {
        if (!idle) {
            idle = true;
            slept = false;
            idleSinceNs = nowNs;
        }
        if (nowNs - idleSinceNs < spinNs) {
            return true;
        }
        if (adapts && !slept) {
            spinNs = spinNs / 2 < limitNs / LEAST ? 0 : spinNs / 2;
        }
        slept = true;
        return false;
    }

    /** Work was found, after {@link #goesOn} was asked. */
    void found(long nowNs) {
        idle = false;
        if (!adapts) {
            return;
        }
        if (!slept) {
            spinNs = Math.min(limitNs, Math.max(limitNs / LEAST, 2 * spinNs));
            shortSleeps = 0;
        } else if (nowNs - idleSinceNs > SHORT * limitNs) {
            shortSleeps = 0;
        } else if (++shortSleeps == SHORT_SLEEPS) {
            shortSleeps = 0;
            spinNs = limitNs;
        }
    }
}
