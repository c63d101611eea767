package org.vfio4j.devicemodel;

import java.time.Duration;

/**
 * How long a queue thread looks for work before it sleeps, and how long it sleeps before it ends.
 *
 * @param spinNs how long it polls after the last work; 0 sleeps at once, {@link #FOR_EVER} never sleeps
 * @param idleNs how long it sleeps without work before it ends
 * @param adapts whether it polls for less, down to nothing, while polling does not pay
 */
public record QueuePolling(long spinNs, long idleNs, boolean adapts) {

    /** Never sleeps while the device can work: for drivers that do not notify. */
    public static final long FOR_EVER = Long.MAX_VALUE;

    private static final long SPIN_NS = 50_000;
    private static final long IDLE_NS = Duration.ofSeconds(5).toNanos();

    /** Polls for up to 50 us: long enough for the driver's next request when it waits for this one. */
    public static final QueuePolling ADAPTIVE = new QueuePolling(SPIN_NS, IDLE_NS, true);

    /** Polls while the device can work. */
    public static final QueuePolling ALWAYS = new QueuePolling(FOR_EVER, IDLE_NS);

    /** Sleeps as soon as there is nothing to do. */
    public static final QueuePolling NEVER = new QueuePolling(0, IDLE_NS);

    public QueuePolling {
        if (spinNs < 0 || idleNs < 0) {
            throw new IllegalArgumentException(
                    "polling for " + spinNs + " ns, idling for " + idleNs + " ns: less than 0");
        }
        if (adapts && spinNs == FOR_EVER) {
            throw new IllegalArgumentException("polling for ever does not adapt");
        }
    }

    /** Polls for as long each time. */
    public QueuePolling(long spinNs, long idleNs) {
        this(spinNs, idleNs, false);
    }

    /** Polls for {@code time} after the last work, each time. */
    public static QueuePolling spinning(Duration time) {
        return new QueuePolling(time.toNanos(), IDLE_NS);
    }

    /** Whether the thread polls for ever. */
    public boolean always() {
        return spinNs == FOR_EVER;
    }
}
