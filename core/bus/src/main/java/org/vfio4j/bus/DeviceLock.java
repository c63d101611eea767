package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINTR;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.vfio4j.sys.ErrnoException;

/**
 * What {@code device_lock} is in the kernel: held while a device gets a driver, loses it, or gets virtual functions, so for as
 * long as a driver waits for its user. Whoever holds a physical function's may take those of its virtual functions, in their
 * order; nobody takes two others.
 */
final class DeviceLock {

    private static final Logger LOG = System.getLogger(DeviceLock.class.getName());
    private static final long TELL_NS = 10_000_000_000L;

    private final ReentrantLock lock = new ReentrantLock();

    /** Takes it, however long that takes: for what does not wait for users. */
    void acquire() {
        lock.lock();
    }

    /**
     * Takes it by a deadline, and tells the operator every ten seconds that it is waited for.
     *
     * @param what is tried, for the message
     * @throws ErrnoException EBUSY when another has it until then, EINTR when the thread is interrupted
     */
    void acquire(String what, Deadline deadline) {
        if (lock.tryLock()) {
            return;
        }
        try {
            while (!lock.tryLock(Math.min(deadline.leftNs(), TELL_NS), TimeUnit.NANOSECONDS)) {
                if (deadline.leftNs() == 0) {
                    throw new ErrnoException(EBUSY, what + ": something else is being done to it");
                }
                LOG.log(Level.WARNING, "{0}: something else is being done to it; waiting", what);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ErrnoException(EINTR, what);
        }
    }

    void release() {
        lock.unlock();
    }
}
