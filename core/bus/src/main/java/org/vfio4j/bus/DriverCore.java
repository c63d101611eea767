package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.vfio4j.sys.ErrnoException;

/**
 * Gives the devices of a bus to its drivers and takes them back, as drivers/base/dd.c does in the kernel for every bus: each under
 * its own {@link DeviceLock}, so that a driver which waits for its user keeps nobody from other devices. Safe for all threads.
 *
 * @param <D> the bus's devices
 * @param <L> the bus's drivers
 */
final class DriverCore<D extends BusDevice, L extends BusDriver<D>> {

    /** The devices of a bus. */
    interface Devices<D> {

        List<D> all();

        /** Changes a device, and has the bus's listeners hear of it. */
        void change(D device, Runnable change);
    }

    /** What a device's driver has made of it, which goes before the device is given back: {@link AuxiliaryBinding#withoutChildren}. */
    interface Children {

        void without(BusDevice parent, Deadline deadline, Runnable remove);
    }

    private final Devices<D> devices;
    private final DriverList<L> drivers;
    private final Function<D, DriverSlot<L>> slots;
    private final Children children;

    /** @param slots what each device has for this */
    DriverCore(Devices<D> devices, DriverList<L> drivers, Function<D, DriverSlot<L>> slots, Children children) {
        this.devices = devices;
        this.drivers = drivers;
        this.slots = slots;
        this.children = children;
    }

    /** Lets the drivers see a device, until one takes it. Returns whether one has it now. */
    boolean probe(D device) {
        for (L driver : drivers.all()) {
            if (offer(device, driver)) {
                return true;
            }
        }
        return slots.apply(device).isBound();
    }

    /** Lets a driver see the devices that nobody has. */
    void offerAll(L driver) {
        devices.all().forEach(device -> offer(device, driver));
    }

    // Returns whether somebody has it now.
    private boolean offer(D device, L driver) {
        DriverSlot<L> slot = slots.apply(device);
        // A device that is being unbound has its driver until that is done, and is not waited for here.
        if (slot.isBound() || !driver.matches(device)) {
            return slot.isBound();
        }
        slot.lock().acquire();
        try {
            return slot.isBound() || (!slot.isGone() && driver.matches(device) && attempt(device, driver));
        } finally {
            slot.lock().release();
        }
    }

    /**
     * Gives a device to a driver that matches it.
     *
     * @throws ErrnoException EBUSY when a driver has it, EINVAL when this one does not match it, ENODEV when either is going or
     *     gone, or what the probe failed with
     */
    void bind(D device, L driver) {
        String what = "bind " + device + " to " + driver.name();
        DriverSlot<L> slot = slots.apply(device);
        checkFree(slot, what);
        slot.lock().acquire(what, Deadline.in(PciBus.FOREVER));
        try {
            checkFree(slot, what);
            checkPresent(slot, what);
            if (!driver.matches(device)) {
                throw new ErrnoException(EINVAL, what + ", whose id table has no match for it");
            }
            take(device, driver);
        } finally {
            slot.lock().release();
        }
    }

    /**
     * Takes a device from its driver.
     *
     * @throws ErrnoException ENODEV when it has none; EBUSY, EINTR as {@link BusDriver#remove} has them, and then its driver has
     *     it as before
     */
    void unbind(D device, Deadline deadline) {
        String what = "unbind " + device;
        DriverSlot<L> slot = slots.apply(device);
        slot.lock().acquire(what, deadline);
        try {
            checkPresent(slot, what);
            if (!slot.isBound()) {
                throw new ErrnoException(ENODEV, what + ": it has no driver");
            }
            release(device, deadline);
        } finally {
            slot.lock().release();
        }
    }

    /**
     * Takes a driver away, and its devices from it, waiting for their users.
     *
     * @throws ErrnoException EBUSY while somebody holds it, EINTR when the thread is interrupted, or what its remove fails with: it
     *     stays, with the device in hand and those behind it
     */
    void unregister(L driver) {
        drivers.remove(driver, () -> devices.all().forEach(device -> detach(device, driver)));
    }

    private void detach(D device, L driver) {
        DriverSlot<L> slot = slots.apply(device);
        if (!slot.isWith(driver)) {
            return;
        }
        Deadline never = Deadline.in(PciBus.FOREVER);
        slot.lock().acquire("unregister " + driver.name() + ", which has " + device, never);
        try {
            if (slot.isWith(driver)) {
                release(device, never);
            }
        } finally {
            slot.lock().release();
        }
    }

    /** Takes a device, and what has been made of it, from the driver that has it, if one does. Called with the device's lock held. */
    void release(D device, Deadline deadline) {
        DriverSlot<L> slot = slots.apply(device);
        Optional<L> driver = slot.driver();
        if (driver.isPresent()) {
            children.without(device, deadline, () -> driver.get().remove(device, deadline.left()));
            devices.change(device, slot::clear);
        }
    }

    /**
     * Gives a device back to the driver that it was taken from, unless either is gone; a failure is logged. Called with the device's
     * lock held.
     */
    void takeBack(D device, L driver) {
        if (drivers.all().contains(driver) && !slots.apply(device).isGone()) {
            attempt(device, driver);
        }
    }

    private boolean attempt(D device, L driver) {
        try {
            take(device, driver);
            return true;
        } catch (ErrnoException e) {
            System.getLogger(DriverCore.class.getName())
                    .log(Level.WARNING, "{0}: probe of {1} failed: {2}", driver.name(), device, e.getMessage());
            return false;
        }
    }

    private void take(D device, L driver) {
        DriverSlot<L> slot = slots.apply(device);
        // Whoever unloads the driver says so first and looks at the devices then. This is the other order, so that one
        // of the two
        // sees the other.
        slot.setProbing(driver);
        boolean taken = false;
        try {
            driver.users().checkStays();
            driver.probe(device);
            devices.change(device, () -> slot.take(driver));
            taken = true;
        } finally {
            if (!taken) {
                // What it has added before it failed.
                children.without(device, Deadline.in(PciBus.FOREVER), () -> {});
                slot.clear();
            }
            slot.setProbing(null);
        }
    }

    private void checkFree(DriverSlot<L> slot, String what) {
        Optional<L> driver = slot.driver();
        if (driver.isPresent()) {
            throw new ErrnoException(EBUSY, what + ": " + driver.get().name() + " has it");
        }
    }

    private void checkPresent(DriverSlot<L> slot, String what) {
        if (slot.isGone()) {
            throw new ErrnoException(ENODEV, what + ": it is gone");
        }
    }
}
