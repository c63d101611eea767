package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * What binding auxiliary devices has beyond the {@link DriverCore}: they are made by the driver of their parent, and go before it
 * gives the parent back. Whoever holds a device's lock may take those of its children, in their order; nobody takes two others.
 * Safe for all threads.
 */
final class AuxiliaryBinding {

    private final AuxiliaryTable table;
    private final DriverCore<AuxiliaryDevice, LoadedAuxiliaryDriver> core;

    AuxiliaryBinding(AuxiliaryTable table) {
        this.table = table;
        core = new DriverCore<>(table, table.drivers(), AuxiliaryDevice::slot, this::withoutChildren);
    }

    DriverCore<AuxiliaryDevice, LoadedAuxiliaryDriver> core() {
        return core;
    }

    /** @see AuxiliaryBus#delete */
    void delete(AuxiliaryDevice device, Deadline deadline) {
        String what = "delete " + device;
        device.slot().lock().acquire(what, deadline);
        try {
            if (device.slot().isGone()) {
                throw new ErrnoException(ENODEV, what + ": it is gone");
            }
            core.release(device, deadline);
            table.remove(device);
        } finally {
            device.slot().lock().release();
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
                child.slot().lock().acquire("delete " + child, deadline);
                locked.add(child);
                Optional<LoadedAuxiliaryDriver> driver = child.slot().driver();
                core.release(child, deadline);
                // The driver of its parent may have deleted it before it failed.
                driver.ifPresent(lost -> undo.add(() -> core.takeBack(child, lost)));
            }
            remove.run();
            undo.clear();
            locked.stream().filter(child -> !child.slot().isGone()).forEach(table::remove);
        } finally {
            undo.forEach(Runnable::run);
            locked.forEach(child -> child.slot().lock().release());
            table.reopen(parent);
        }
    }
}
