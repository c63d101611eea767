package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;

/**
 * Lets devices of a {@link Machine} come and go, each by itself, but not while all are handed over: one that came then would be in neither
 * process. Any thread.
 */
public final class ChangeGate {

    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private volatile boolean left;

    /**
     * Has devices come or go, perhaps after a wait for the end of a hand-over.
     *
     * @throws ErrnoException ENODEV when another process has them by now; what {@code change} says
     */
    <T> T pass(Supplier<T> change) {
        lock.readLock().lock();
        try {
            if (left) {
                throw new ErrnoException(ENODEV, "another process has taken over");
            }
            return change.get();
        } finally {
            lock.readLock().unlock();
        }
    }

    /** The same for what gives nothing back. */
    void pass(Runnable change) {
        pass(() -> {
            change.run();
            return true;
        });
    }

    /**
     * Keeps what devices there are as it is, until {@link #open} from the same thread.
     *
     * @throws ErrnoException EBUSY when one comes or goes just now, for longer than {@code limit}
     */
    public void close(Duration limit) {
        try {
            if (lock.writeLock().tryLock(limit.toNanos(), TimeUnit.NANOSECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        throw new ErrnoException(EBUSY, "hand over this process: a device comes or goes");
    }

    /** @param handedOver whether another process has them now: nothing comes or goes any more */
    public void open(boolean handedOver) {
        left = handedOver;
        lock.writeLock().unlock();
    }
}
