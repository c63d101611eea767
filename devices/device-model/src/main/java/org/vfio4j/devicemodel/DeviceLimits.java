package org.vfio4j.devicemodel;

import static org.vfio4j.sys.Errno.EINVAL;

import java.time.Duration;
import java.util.function.LongSupplier;
import org.vfio4j.sys.ErrnoException;

/**
 * How many requests, and how many bytes, a device carries out in a second. One object for all queues and queue threads of a device;
 * any thread may change it while it works.
 *
 * <p>A queue thread asks {@link #waitNs} before it takes a request, and {@link #charge charges} what it took, however large: a
 * request that is larger than what was left is carried out at once, and the next ones wait for that. So nothing that was taken is
 * held back, the driver's ring fills up, and over any time longer than a burst the rates are exact. Between two requests threads
 * may take one each; that is owed, too.
 *
 * <p>Allocates nothing, but in {@link #set}. Without limits {@link #isSet} is all it costs.
 */
public final class DeviceLimits {

    /** What a device may save up while it is idle, and make good when it was held up. */
    public static final Duration BURST = Duration.ofMillis(100);

    private final LongSupplier clock;
    private final long origin;
    private final RateLimit requests = new RateLimit();
    private final RateLimit bytes = new RateLimit();
    private volatile boolean set;

    /** No limits, for now. */
    public DeviceLimits() {
        this(System::nanoTime);
    }

    /** @param clock ns since whenever */
    public DeviceLimits(LongSupplier clock) {
        this.clock = clock;
        origin = clock.getAsLong();
    }

    /**
     * Other limits from now on. Whoever changes them wakes the device's threads, which may be waiting by the old ones.
     *
     * @param requestsPerSecond 0 for no limit
     * @param bytesPerSecond 0 for no limit
     * @throws ErrnoException EINVAL for less than 0
     */
    public synchronized void set(long requestsPerSecond, long bytesPerSecond) {
        if (requestsPerSecond < 0 || bytesPerSecond < 0) {
            throw new ErrnoException(
                    EINVAL,
                    "limits of " + requestsPerSecond + " requests and " + bytesPerSecond + " bytes in a second");
        }
        long now = now();
        requests.set(requestsPerSecond, BURST.toNanos(), now);
        bytes.set(bytesPerSecond, BURST.toNanos(), now);
        set = requestsPerSecond > 0 || bytesPerSecond > 0;
    }

    /** 0 for no limit. */
    public long requestsPerSecond() {
        return requests.perSecond();
    }

    /** 0 for no limit. */
    public long bytesPerSecond() {
        return bytes.perSecond();
    }

    /** Whether there is a limit at all. */
    public boolean isSet() {
        return set;
    }

    /** 0 when a request may be taken now, or else for how many ns none may. */
    public long waitNs() {
        if (!set) {
            return 0;
        }
        long now = now();
        long ticks = Math.max(requests.ticksLeft(now), bytes.ticksLeft(now));
        return ticks <= 0 ? 0 : (ticks + RateLimit.TICKS - 1) / RateLimit.TICKS;
    }

    /** A request was taken that moves {@code byteCount} bytes. */
    public void charge(long byteCount) {
        if (set) {
            long now = now();
            requests.charge(1, now);
            bytes.charge(byteCount, now);
        }
    }

    private long now() {
        return (clock.getAsLong() - origin) * RateLimit.TICKS;
    }
}
