package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DriverReference;
import org.vfio4j.sys.ErrnoException;

/**
 * A device that a driver has registered with VFIO: {@code struct vfio_device} (linux/vfio.h). It has one user at a time, and
 * its driver is referenced from open to close. Safe for all threads.
 */
public final class VfioDevice {

    private static final Logger LOG = System.getLogger(VfioDevice.class.getName());

    private final String name;
    private final String parentName;
    private final VfioDeviceOps ops;
    private final Supplier<DriverReference> driver;
    private final VfioAdmission admission;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition released = lock.newCondition();

    // All guarded by the lock.
    private boolean going;
    private boolean inUse;
    private @Nullable DriverReference reference;

    VfioDevice(
            String name,
            String parentName,
            VfioDeviceOps ops,
            Supplier<DriverReference> driver,
            VfioAdmission admission) {
        this.name = name;
        this.parentName = parentName;
        this.ops = ops;
        this.driver = driver;
        this.admission = admission;
    }

    /** As {@code vfio0}. */
    public String name() {
        return name;
    }

    /** What the device is made of, as {@code 0000:08:00.0}. */
    public String parentName() {
        return parentName;
    }

    /** The name that the driver's operations give themselves. */
    public String driverName() {
        return ops.name();
    }

    /** Whether somebody uses it. */
    public boolean isOpen() {
        lock.lock();
        try {
            return inUse;
        } finally {
            lock.unlock();
        }
    }

    /** Opens the device for its only user, who has no VF token to show; otherwise as {@link #open(Optional)}. */
    public LocalDeviceFile open() {
        return open(Optional.empty());
    }

    /**
     * Opens the device for its only user.
     *
     * @param vfToken what the users of a physical function and of its virtual functions share, where VFIO has them all; the
     *     first user of an unused physical function sets it
     * @throws ErrnoException EBUSY while another has it, ENODEV while its driver or the device itself is going, EACCES when a
     *     token is wrong or missing, EINVAL when it has no use, and what the driver says
     */
    public LocalDeviceFile open(Optional<UUID> vfToken) {
        lock.lock();
        try {
            if (going) {
                throw new ErrnoException(ENODEV, "open " + name + ": it is being taken away");
            }
            if (inUse) {
                throw new ErrnoException(EBUSY, "open " + name + ": it has a user already");
            }
            admission.check(name, vfToken);
            DriverReference taken = driver.get();
            try {
                LocalDeviceFile file = enable();
                inUse = true;
                reference = taken;
                return file;
            } catch (RuntimeException e) {
                taken.close();
                throw e;
            }
        } finally {
            lock.unlock();
        }
    }

    private LocalDeviceFile enable() {
        ops.openDevice();
        try {
            return new LocalDeviceFile(this, ops);
        } catch (RuntimeException e) {
            ops.closeDevice();
            throw e;
        }
    }

    /** The file is closed: disables the device and lets the next user in. */
    void closed() {
        lock.lock();
        try {
            ops.closeDevice();
        } finally {
            inUse = false;
            DriverReference taken = reference;
            reference = null;
            released.signalAll();
            lock.unlock();
            if (taken != null) {
                taken.close();
            }
        }
    }

    /**
     * Lets nobody in any more and waits for the user to go, asking again, and telling the operator, after each interval.
     *
     * @param limitNs how long to wait in all; then EBUSY, and the device is as before
     */
    void drain(long intervalNs, long limitNs) {
        lock.lock();
        boolean drained = false;
        try {
            going = true;
            long left = limitNs;
            for (int count = 0; inUse; count++) {
                if (left <= 0) {
                    throw new ErrnoException(EBUSY, "unregister " + name + ": its user does not let go");
                }
                ops.request(count);
                if (count > 0) {
                    LOG.log(
                            Level.WARNING,
                            "{0} is wanted back: its user has been asked {1} times; waiting",
                            this,
                            count);
                }
                left -= awaitRelease(Math.min(intervalNs, left));
            }
            drained = true;
        } finally {
            going = drained;
            lock.unlock();
        }
    }

    /** It does not go after all: lets users in again. */
    void stay() {
        lock.lock();
        try {
            going = false;
        } finally {
            lock.unlock();
        }
    }

    // Returns the time that has passed; the lock is free meanwhile.
    private long awaitRelease(long waitNs) {
        long left = waitNs;
        try {
            while (inUse && left > 0) {
                left = released.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ErrnoException(
                    EINTR, "unregister " + name + ", after " + TimeUnit.NANOSECONDS.toMillis(waitNs) + " ms");
        }
        return waitNs - left;
    }

    @Override
    public String toString() {
        return name + " (" + parentName + ")";
    }
}
