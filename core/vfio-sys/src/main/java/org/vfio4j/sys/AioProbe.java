package org.vfio4j.sys;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.sys.Errno.EPERM;

import java.lang.System.Logger.Level;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;

/**
 * Whether the kernel signals eventfds for io_submit(2). Once it has, it does. What it lacks for the moment, memory, descriptors or contexts
 * ({@code fs.aio-max-nr}), it is asked for again from time to time. All threads.
 */
final class AioProbe {

    static final long PAUSE_NS = 1_000_000_000;

    private static final System.Logger LOG = System.getLogger(SharedEventFd.class.getName());

    private final IntSupplier probe;
    private final LongSupplier clockNs;
    private volatile boolean works;
    private volatile boolean never;
    private volatile long asked;

    // Guarded by this.
    private int lastErrno;

    /**
     * @param probe 0 or a negative errno
     * @param clockNs as {@link System#nanoTime}
     */
    AioProbe(IntSupplier probe, LongSupplier clockNs) {
        this.probe = probe;
        this.clockNs = clockNs;
        // The first question is due.
        asked = clockNs.getAsLong() - PAUSE_NS;
    }

    /** Whether it works by now. Costs nothing once it does. */
    boolean works() {
        return works || (!never && clockNs.getAsLong() - asked >= PAUSE_NS && ask());
    }

    private synchronized boolean ask() {
        if (works || never || clockNs.getAsLong() - asked < PAUSE_NS) {
            return works;
        }
        int errno = -probe.getAsInt();
        never = errno == ENOSYS || errno == EPERM || errno == EINVAL;
        asked = clockNs.getAsLong();
        if (errno != lastErrno) {
            log(errno);
        }
        lastErrno = errno;
        works = errno == 0;
        return works;
    }

    private void log(int errno) {
        if (errno == 0) {
            LOG.log(Level.INFO, "io_submit(2) signals eventfds by now");
            return;
        }
        LOG.log(
                Level.WARNING,
                "io_submit(2) does not signal eventfds here: {0}{1}. A client that fills one of its own may hold up"
                        + " interrupts of others",
                Errno.describe(errno),
                errno == EAGAIN ? ": fs.aio-max-nr is used up, a look once a second tells when it is not" : "");
    }
}
