package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;

/**
 * The functions of a bus by address, and who listens. Safe for all threads: one lock makes changes one after the other and is
 * held while listeners hear of one, so that they hear of all in one order; never while a driver is called.
 */
final class DeviceTable implements DriverCore.Devices<PciDevice> {

    private final ReentrantLock lock = new ReentrantLock();
    private final TreeMap<PciAddress, PciDevice> devices = new TreeMap<>();
    private final List<PciBusListener> listeners = new CopyOnWriteArrayList<>();

    void addListener(PciBusListener listener) {
        listeners.add(listener);
    }

    void removeListener(PciBusListener listener) {
        listeners.remove(listener);
    }

    /**
     * Adds what {@code make} makes.
     *
     * @throws ErrnoException EEXIST when the place is taken
     */
    PciDevice add(PciAddress address, Supplier<PciDevice> make) {
        lock.lock();
        try {
            checkFree(address);
            PciDevice device = make.get();
            devices.put(address, device);
            listeners.forEach(listener -> listener.added(device));
            return device;
        } finally {
            lock.unlock();
        }
    }

    /** @throws ErrnoException EEXIST when the place is taken */
    void checkFree(PciAddress address) {
        lock.lock();
        try {
            if (devices.containsKey(address)) {
                throw new ErrnoException(EEXIST, "add " + address);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Takes a device away for good. Called with its lock held. */
    void remove(PciDevice device) {
        remove(device, () -> {});
    }

    /** The same, unless {@code check} throws, which looks at the devices as they are then. */
    void remove(PciDevice device, Runnable check) {
        lock.lock();
        try {
            check.run();
            device.slot().setGone();
            devices.remove(device.address(), device);
            listeners.forEach(listener -> listener.removed(device));
        } finally {
            lock.unlock();
        }
    }

    /** Changes a device, of which listeners hear unless it is gone. */
    @Override
    public void change(PciDevice device, Runnable change) {
        lock.lock();
        try {
            change.run();
            if (!device.slot().isGone()) {
                listeners.forEach(listener -> listener.changed(device));
            }
        } finally {
            lock.unlock();
        }
    }

    void configWritten(PciDevice device) {
        for (PciBusListener listener : listeners) {
            listener.configWritten(device);
        }
    }

    @Override
    public List<PciDevice> all() {
        lock.lock();
        try {
            return new ArrayList<>(devices.values());
        } finally {
            lock.unlock();
        }
    }

    /** @throws ErrnoException ENODEV when there is none */
    PciDevice get(PciAddress address) {
        lock.lock();
        try {
            PciDevice found = devices.get(address);
            if (found == null) {
                throw new ErrnoException(ENODEV, "PCI device " + address);
            }
            return found;
        } finally {
            lock.unlock();
        }
    }
}
