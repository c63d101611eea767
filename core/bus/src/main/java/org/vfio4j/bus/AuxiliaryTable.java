package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.vfio4j.sys.ErrnoException;

/**
 * The devices of an auxiliary bus, its drivers, and who listens. Safe for all threads: its monitor makes changes one after the
 * other and is held while listeners hear of one; nothing waits in here, and no driver is called.
 */
final class AuxiliaryTable implements DriverCore.Devices<AuxiliaryDevice> {

    private final Map<String, AuxiliaryDevice> devices = new LinkedHashMap<>();
    private final DriverList<LoadedAuxiliaryDriver> drivers = new DriverList<>("auxiliary driver");
    /** Devices that are losing their driver, and get no more children. */
    private final Set<BusDevice> closed = new HashSet<>();

    private final List<AuxiliaryBusListener> listeners = new CopyOnWriteArrayList<>();

    DriverList<LoadedAuxiliaryDriver> drivers() {
        return drivers;
    }

    void addListener(AuxiliaryBusListener listener) {
        listeners.add(listener);
    }

    void removeListener(AuxiliaryBusListener listener) {
        listeners.remove(listener);
    }

    /** @throws ErrnoException EEXIST when there is one of this name, ENODEV when its parent has no driver or is losing it */
    synchronized void add(AuxiliaryDevice device, BusDevice parent) {
        if (devices.containsKey(device.name())) {
            throw new ErrnoException(EEXIST, "add " + device);
        }
        if (closed.contains(parent) || !isTaken(parent)) {
            throw new ErrnoException(ENODEV, "add " + device + ": no driver of " + parent + " keeps it");
        }
        devices.put(device.name(), device);
        listeners.forEach(listener -> listener.added(device));
    }

    /** Takes a device away for good. Called with its lock held. */
    synchronized void remove(AuxiliaryDevice device) {
        device.slot().setGone();
        devices.remove(device.name(), device);
        listeners.forEach(listener -> listener.removed(device));
    }

    /** Changes a device, of which listeners hear unless it is gone. */
    @Override
    public synchronized void change(AuxiliaryDevice device, Runnable change) {
        change.run();
        if (!device.slot().isGone()) {
            listeners.forEach(listener -> listener.changed(device));
        }
    }

    @Override
    public synchronized List<AuxiliaryDevice> all() {
        return new ArrayList<>(devices.values());
    }

    /** @throws ErrnoException ENODEV when there is none of this name */
    synchronized AuxiliaryDevice get(String name) {
        AuxiliaryDevice found = devices.get(name);
        if (found == null) {
            throw new ErrnoException(ENODEV, "auxiliary device " + name);
        }
        return found;
    }

    /** The children of a device, in the order in which they came. */
    synchronized List<AuxiliaryDevice> children(BusDevice parent) {
        return devices.values().stream()
                .filter(device -> device.parent().filter(parent::equals).isPresent())
                .toList();
    }

    /** Lets a device have no more children, until {@link #reopen}. */
    synchronized List<AuxiliaryDevice> close(BusDevice parent) {
        closed.add(parent);
        return children(parent);
    }

    synchronized void reopen(BusDevice parent) {
        closed.remove(parent);
    }

    private static boolean isTaken(BusDevice device) {
        return switch (device) {
            case PciDevice pci -> pci.slot().isTaken();
            case AuxiliaryDevice auxiliary -> auxiliary.slot().isTaken();
        };
    }
}
