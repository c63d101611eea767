package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * Gives auxiliary devices to drivers and takes them back, each under its own {@link DeviceLock}. Whoever holds a device's lock may
 * take those of its children, in their order; nobody takes two others. Safe for all threads.
 */
final class AuxiliaryBinding {

    private final AuxiliaryTable table;

    AuxiliaryBinding(AuxiliaryTable table) {
        this.table = table;
    }

    /** Lets the drivers see a device, until one takes it. Returns whether one has it now. */
    boolean probe(AuxiliaryDevice device) {
        for (LoadedAuxiliaryDriver loaded : table.allDrivers()) {
            if (offer(device, loaded)) {
                return true;
            }
        }
        return device.driver().isPresent();
    }

    /** Lets a driver see a device that nobody has. Returns whether somebody has it now. */
    boolean offer(AuxiliaryDevice device, LoadedAuxiliaryDriver loaded) {
        Optional<AuxiliaryDeviceId> id = loaded.match(device);
        if (device.driver().isPresent() || id.isEmpty()) {
            return device.driver().isPresent();
        }
        device.lock().acquire();
        try {
            return device.driver().isPresent() || (!device.isGone() && attempt(device, loaded, id.get()));
        } finally {
            device.lock().release();
        }
    }

    /** @see AuxiliaryBus#bind */
    void bind(AuxiliaryDevice device, LoadedAuxiliaryDriver loaded) {
        String what = "bind " + device + " to " + loaded.driver().name();
        checkFree(device, what);
        device.lock().acquire(what, Deadline.in(PciBus.FOREVER));
        try {
            checkFree(device, what);
            checkPresent(device, what);
            AuxiliaryDeviceId id = loaded.match(device)
                    .orElseThrow(() -> new ErrnoException(EINVAL, what + ", whose id table has no match for it"));
            take(device, loaded, id);
        } finally {
            device.lock().release();
        }
    }

    /** @see AuxiliaryBus#unbind */
    void unbind(AuxiliaryDevice device, Deadline deadline) {
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

    /** @see AuxiliaryBus#delete */
    void delete(AuxiliaryDevice device, Deadline deadline) {
        String what = "delete " + device;
        device.lock().acquire(what, deadline);
        try {
            checkPresent(device, what);
            release(device, deadline);
            table.remove(device);
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
    void detach(LoadedAuxiliaryDriver loaded) {
        for (AuxiliaryDevice device : table.all()) {
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

    /**
     * Takes a device from its driver, its children first: their drivers give them back, then {@code remove} runs, then what
     * {@code remove} has left of them is deleted. When one of the drivers does not let go, all children are as before. Called
     * with the device's lock held.
     *
     * @param remove has the device's own driver give it back
     */
    void withoutChildren(BusDevice parent, Deadline deadline, Runnable remove) {
        List<AuxiliaryDevice> locked = new ArrayList<>();
        List<Runnable> undo = new ArrayList<>();
        try {
            for (AuxiliaryDevice child : table.close(parent)) {
                child.lock().acquire("delete " + child, deadline);
                locked.add(child);
                Optional<AuxiliaryDriver> driver = child.driver();
                release(child, deadline);
                driver.ifPresent(lost -> undo.add(() -> takeBack(child, lost)));
            }
            remove.run();
            undo.clear();
            locked.stream().filter(child -> !child.isGone()).forEach(table::remove);
        } finally {
            undo.forEach(Runnable::run);
            locked.forEach(child -> child.lock().release());
            table.reopen(parent);
        }
    }

    /** Deletes what a driver has added before its probe failed. Called with the device's lock held. */
    void deleteChildren(BusDevice parent) {
        withoutChildren(parent, Deadline.in(PciBus.FOREVER), () -> {});
    }

    private void release(AuxiliaryDevice device, Deadline deadline) {
        Optional<AuxiliaryDriver> driver = device.driver();
        if (driver.isPresent()) {
            withoutChildren(device, deadline, () -> driver.get().remove(device, deadline.left()));
            table.change(device, () -> device.setDriver(Optional.empty()));
        }
    }

    private void takeBack(AuxiliaryDevice device, AuxiliaryDriver driver) {
        // The driver of its parent may have deleted it before it failed.
        for (LoadedAuxiliaryDriver loaded : table.allDrivers()) {
            if (loaded.driver().equals(driver) && !device.isGone()) {
                loaded.match(device).ifPresent(id -> attempt(device, loaded, id));
            }
        }
    }

    private boolean attempt(AuxiliaryDevice device, LoadedAuxiliaryDriver loaded, AuxiliaryDeviceId id) {
        try {
            take(device, loaded, id);
            return true;
        } catch (ErrnoException e) {
            String name = loaded.driver().name();
            System.getLogger(AuxiliaryBus.class.getName())
                    .log(Level.WARNING, "{0}: probe of {1} failed: {2}", name, device, e.getMessage());
            return false;
        }
    }

    private void take(AuxiliaryDevice device, LoadedAuxiliaryDriver loaded, AuxiliaryDeviceId id) {
        // Before the driver is asked whether it stays: whoever unloads it says so first and looks at the devices then.
        device.setProbing(loaded);
        boolean taken = false;
        try {
            loaded.users().checkStays();
            loaded.driver().probe(device, id);
            table.change(device, () -> device.setDriver(Optional.of(loaded.driver())));
            taken = true;
        } finally {
            if (!taken) {
                deleteChildren(device);
                device.setDriver(Optional.empty());
            }
            device.setProbing(null);
        }
    }

    private static void checkFree(AuxiliaryDevice device, String what) {
        Optional<AuxiliaryDriver> driver = device.driver();
        if (driver.isPresent()) {
            throw new ErrnoException(EBUSY, what + ": " + driver.get().name() + " has it");
        }
    }

    private static void checkPresent(AuxiliaryDevice device, String what) {
        if (device.isGone()) {
            throw new ErrnoException(ENODEV, what + ": it is gone");
        }
    }
}
