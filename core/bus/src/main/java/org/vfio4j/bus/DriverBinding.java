package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * Gives devices to drivers and takes them back, each under its own {@link DeviceLock}: a driver that waits for its user keeps
 * nobody from other devices. Safe for all threads.
 */
final class DriverBinding {

    private final DeviceTable devices;
    private final DriverTable drivers;
    private final AuxiliaryBinding auxiliary;

    DriverBinding(DeviceTable devices, DriverTable drivers, AuxiliaryBinding auxiliary) {
        this.devices = devices;
        this.drivers = drivers;
        this.auxiliary = auxiliary;
    }

    /** Lets the drivers see a device, until one takes it. Returns whether one has it now. */
    boolean probe(PciDevice device) {
        for (LoadedDriver loaded : drivers.all()) {
            if (offer(device, loaded)) {
                return true;
            }
        }
        return device.driver().isPresent();
    }

    /** Lets a driver see a device that nobody has. Returns whether somebody has it now. */
    boolean offer(PciDevice device, LoadedDriver loaded) {
        // A device that is being unbound has its driver until that is done, and is not waited for here.
        if (device.driver().isPresent() || !loaded.matches(device)) {
            return device.driver().isPresent();
        }
        device.lock().acquire();
        try {
            return device.driver().isPresent()
                    || (!device.isGone() && loaded.matches(device) && attempt(device, loaded));
        } finally {
            device.lock().release();
        }
    }

    /**
     * Gives a device to a driver that matches it.
     *
     * @throws ErrnoException EBUSY when a driver has it, EINVAL when this one does not match it, ENODEV when either is going or
     *     gone, or what the probe failed with
     */
    void bind(PciDevice device, LoadedDriver loaded) {
        String what = "bind " + device + " to " + loaded.driver().name();
        checkFree(device, what);
        device.lock().acquire(what, Deadline.in(PciBus.FOREVER));
        try {
            checkFree(device, what);
            checkPresent(device, what);
            if (!loaded.matches(device)) {
                throw new ErrnoException(EINVAL, what + ", whose id table has no match for it");
            }
            take(device, loaded);
        } finally {
            device.lock().release();
        }
    }

    /**
     * Takes a device from its driver.
     *
     * @throws ErrnoException ENODEV when it has none; EBUSY, EINTR as {@link PciDriver#remove} has them, and then its driver has
     *     it as before
     */
    void unbind(PciDevice device, Deadline deadline) {
        String what = "unbind " + device;
        device.lock().acquire(what, deadline);
        try {
            checkPresent(device, what);
            if (device.driver().isEmpty()) {
                throw new ErrnoException(ENODEV, what + ": it has no driver");
            }
            release(device, deadline);
        } finally {
            device.lock().release();
        }
    }

    /**
     * Takes every device from a driver that is going, waiting for their users.
     *
     * @throws ErrnoException EINTR when the thread is interrupted, or what the driver's remove fails with: it keeps the device in
     *     hand and those behind it
     */
    void detach(LoadedDriver loaded) {
        for (PciDevice device : devices.all()) {
            if (device.isWith(loaded)) {
                Deadline never = Deadline.in(PciBus.FOREVER);
                device.lock().acquire("unregister " + loaded.driver().name() + ", which has " + device, never);
                try {
                    if (device.isWith(loaded)) {
                        release(device, never);
                    }
                } finally {
                    device.lock().release();
                }
            }
        }
    }

    /** Takes a device, and what it has on the auxiliary bus, from the driver that has it, if one does. Called with the device's lock held. */
    void release(PciDevice device, Deadline deadline) {
        Optional<PciDriver> driver = device.driver();
        if (driver.isPresent()) {
            auxiliary.withoutChildren(device, deadline, () -> driver.get().remove(device, deadline.left()));
            devices.change(device, () -> device.setDriver(Optional.empty()));
        }
    }

    /** Gives a device back to the driver that it was taken from; a failure is logged. Called with the device's lock held. */
    void takeBack(PciDevice device, PciDriver driver) {
        for (LoadedDriver loaded : drivers.all()) {
            if (loaded.driver().equals(driver)) {
                attempt(device, loaded);
            }
        }
    }

    private boolean attempt(PciDevice device, LoadedDriver loaded) {
        try {
            take(device, loaded);
            return true;
        } catch (ErrnoException e) {
            System.getLogger(PciBus.class.getName())
                    .log(
                            Level.WARNING,
                            "{0}: probe of {1} failed: {2}",
                            loaded.driver().name(),
                            device,
                            e.getMessage());
            return false;
        }
    }

    private void take(PciDevice device, LoadedDriver loaded) {
        // Whoever unloads the driver says so first and looks at the devices then. This is the other order, so that one
        // of
        // the two sees the other.
        device.setProbing(loaded);
        boolean taken = false;
        try {
            loaded.users().checkStays();
            loaded.driver().probe(device);
            devices.change(device, () -> device.setDriver(Optional.of(loaded.driver())));
            taken = true;
        } finally {
            if (!taken) {
                auxiliary.deleteChildren(device);
                device.setDriver(Optional.empty());
            }
            device.setProbing(null);
        }
    }

    private static void checkFree(PciDevice device, String what) {
        Optional<PciDriver> driver = device.driver();
        if (driver.isPresent()) {
            throw new ErrnoException(EBUSY, what + ": " + driver.get().name() + " has it");
        }
    }

    private static void checkPresent(PciDevice device, String what) {
        if (device.isGone()) {
            throw new ErrnoException(ENODEV, what + ": it is gone");
        }
    }
}
