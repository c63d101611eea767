package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import org.vfio4j.sys.ErrnoException;

/**
 * The PCI bus of a machine: its functions, their drivers, and who has whom. Any thread may call it; one lock makes the calls
 * one after the other, and is held while a driver probes or removes.
 */
public final class PciBus {

    private final ReentrantLock lock = new ReentrantLock();
    private final TreeMap<PciAddress, PciDevice> devices = new TreeMap<>();
    private final Map<String, LoadedDriver> drivers = Collections.synchronizedMap(new LinkedHashMap<>());
    private final BarAllocator bars = new BarAllocator();
    private final Map<Class<?>, Object> services = new ConcurrentHashMap<>();
    private final List<PciBusListener> listeners = new CopyOnWriteArrayList<>();

    /** Offers drivers an object that belongs to the whole machine, such as the registry of VFIO devices. */
    public <T> void provide(Class<T> type, T service) {
        services.put(type, service);
    }

    /**
     * The machine's object of this type.
     *
     * @throws ErrnoException ENODEV when nobody provided one
     */
    public <T> T service(Class<T> type) {
        Object found = services.get(type);
        if (found == null) {
            throw new ErrnoException(ENODEV, "this bus has no " + type.getSimpleName());
        }
        return type.cast(found);
    }

    public void addListener(PciBusListener listener) {
        listeners.add(listener);
    }

    public void removeListener(PciBusListener listener) {
        listeners.remove(listener);
    }

    /**
     * Plugs a function in, gives its BARs addresses, and lets the drivers see it.
     *
     * @throws ErrnoException EEXIST when the place is taken, ENOSPC when there are no addresses left
     */
    public PciDevice add(PciAddress address, PciFunction function) {
        lock.lock();
        try {
            if (devices.containsKey(address)) {
                throw new ErrnoException(EEXIST, "add " + address);
            }
            PciDevice device = new PciDevice(this, address, function, bars.place(address, function));
            devices.put(address, device);
            listeners.forEach(listener -> listener.added(device));
            probe(device);
            return device;
        } finally {
            lock.unlock();
        }
    }

    /** Unplugs a function: its driver gives it back first, which may wait for its user. */
    public void remove(PciDevice device) {
        lock.lock();
        try {
            if (devices.get(device.address()) != device) {
                throw new ErrnoException(ENODEV, "remove " + device);
            }
            release(device);
            devices.remove(device.address());
            listeners.forEach(listener -> listener.removed(device));
        } finally {
            lock.unlock();
        }
    }

    /** The functions, by address. */
    public List<PciDevice> devices() {
        lock.lock();
        try {
            return new ArrayList<>(devices.values());
        } finally {
            lock.unlock();
        }
    }

    /**
     * The function at an address.
     *
     * @throws ErrnoException ENODEV when there is none
     */
    public PciDevice device(PciAddress address) {
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

    /** The drivers, in the order in which they came. */
    public List<PciDriver> drivers() {
        lock.lock();
        try {
            return drivers.values().stream().map(LoadedDriver::driver).toList();
        } finally {
            lock.unlock();
        }
    }

    /** Registers every driver that {@link ServiceLoader} finds and that is not registered yet. */
    public void loadDrivers() {
        for (PciDriver driver : ServiceLoader.load(PciDriver.class, PciDriver.class.getClassLoader())) {
            lock.lock();
            try {
                if (!drivers.containsKey(driver.name())) {
                    register(driver);
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * Adds a driver and lets it have the unbound functions that it matches.
     *
     * @throws ErrnoException EBUSY when there is one of this name
     */
    public void register(PciDriver driver) {
        lock.lock();
        try {
            if (drivers.containsKey(driver.name())) {
                throw new ErrnoException(EBUSY, "register driver " + driver.name());
            }
            drivers.put(driver.name(), new LoadedDriver(driver));
            devices.values().forEach(this::probe);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes a driver away; it gives its functions back first.
     *
     * @throws ErrnoException ENODEV when it is not registered, EBUSY while somebody holds a {@link #reference}, and what its
     *     remove failed with: then it stays
     */
    public void unregister(PciDriver driver) {
        lock.lock();
        try {
            LoadedDriver loaded = loaded(driver.name());
            if (!loaded.startGoing()) {
                throw new ErrnoException(EBUSY, "unregister driver " + driver.name() + ", which is in use");
            }
            try {
                devices.values().stream()
                        .filter(device -> device.driver().filter(driver::equals).isPresent())
                        .forEach(this::release);
            } catch (RuntimeException e) {
                loaded.stay();
                throw e;
            }
            drivers.remove(driver.name());
        } finally {
            lock.unlock();
        }
    }

    /**
     * Holds a driver, so that it is not unregistered: try_module_get.
     *
     * @throws ErrnoException ENODEV when it is going or gone
     */
    public DriverReference reference(PciDriver driver) {
        // Not under the bus's lock: a driver that gives a function back holds that, waiting for a user who may call
        // this.
        return loaded(driver.name()).reference();
    }

    /**
     * Names the only driver that may have a function: driver_override. It changes nothing for the driver that has it now.
     *
     * @param driverName empty to lift it
     */
    public void setDriverOverride(PciDevice device, Optional<String> driverName) {
        lock.lock();
        try {
            device.setDriverOverride(driverName);
            changed(device);
        } finally {
            lock.unlock();
        }
    }

    /** Lets the drivers see an unbound function: drivers_probe. Returns whether one has it now. */
    public boolean probe(PciDevice device) {
        lock.lock();
        try {
            for (LoadedDriver loaded : drivers.values()) {
                if (device.driver().isEmpty() && loaded.matches(device) && attempt(device, loaded.driver())) {
                    return true;
                }
            }
            return device.driver().isPresent();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Gives a function to a driver that matches it.
     *
     * @throws ErrnoException EBUSY when a driver has it, EINVAL when the driver does not match it, ENODEV when there is no such
     *     driver, or what the driver's probe failed with
     */
    public void bind(PciDevice device, String driverName) {
        lock.lock();
        try {
            LoadedDriver loaded = loaded(driverName);
            String what = "bind " + device + " to " + driverName;
            if (device.driver().isPresent()) {
                throw new ErrnoException(
                        EBUSY, what + ": " + device.driver().get().name() + " has it");
            }
            if (!loaded.matches(device)) {
                throw new ErrnoException(EINVAL, what + ", whose id table has no match for it");
            }
            take(device, loaded.driver());
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes a function from its driver, which may wait for its user.
     *
     * @throws ErrnoException ENODEV when it has no driver
     */
    public void unbind(PciDevice device) {
        lock.lock();
        try {
            if (device.driver().isEmpty()) {
                throw new ErrnoException(ENODEV, "unbind " + device + ": it has no driver");
            }
            release(device);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Has a driver take devices with one more id, and lets it see those that have no driver: new_id.
     *
     * @throws ErrnoException ENODEV when there is no such driver, EEXIST when it has the id already
     */
    public void addId(String driverName, PciDeviceId id) {
        lock.lock();
        try {
            if (!loaded(driverName).addId(id)) {
                throw new ErrnoException(EEXIST, "new id " + id.alias() + " of driver " + driverName);
            }
            devices.values().forEach(this::probe);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes an id back that {@link #addId} added: remove_id. What the driver has by then it keeps.
     *
     * @throws ErrnoException ENODEV when there is no such driver, or it was not given this id
     */
    public void removeId(String driverName, PciDeviceId id) {
        lock.lock();
        try {
            if (!loaded(driverName).removeId(id)) {
                throw new ErrnoException(ENODEV, "remove id " + id.alias() + " of driver " + driverName);
            }
        } finally {
            lock.unlock();
        }
    }

    /** All aliases of all drivers: {@code modules.alias}. */
    public List<DriverAlias> aliases() {
        lock.lock();
        try {
            return drivers.values().stream()
                    .flatMap(loaded -> loaded.ids()
                            .map(id -> new DriverAlias(loaded.driver().name(), id.alias())))
                    .distinct()
                    .toList();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The drivers that can give a device to users of VFIO, the one that knows it best first: those with a matching
     * {@code vfio_pci:} alias, by fewest wildcards. Each driver once, with the best of its aliases.
     *
     * @param modalias the device's, as {@link PciDevice#modalias} has it
     */
    public List<DriverAlias> vfioDrivers(String modalias) {
        String wanted = modalias.replaceFirst("^" + Modalias.PCI + ":", Modalias.VFIO_PCI + ":");
        Set<String> seen = new HashSet<>();
        return aliases().stream()
                .filter(alias -> alias.pattern().startsWith(Modalias.VFIO_PCI + ":") && alias.matches(wanted))
                .sorted(Comparator.comparingInt(DriverAlias::wildcards))
                .filter(alias -> seen.add(alias.driver()))
                .toList();
    }

    void configWritten(PciDevice device) {
        for (PciBusListener listener : listeners) {
            listener.configWritten(device);
        }
    }

    private LoadedDriver loaded(String name) {
        LoadedDriver loaded = drivers.get(name);
        if (loaded == null) {
            throw new ErrnoException(ENODEV, "driver " + name);
        }
        return loaded;
    }

    private boolean attempt(PciDevice device, PciDriver driver) {
        try {
            take(device, driver);
            return true;
        } catch (ErrnoException e) {
            System.getLogger(PciBus.class.getName())
                    .log(
                            System.Logger.Level.WARNING,
                            "{0}: probe of {1} failed: {2}",
                            driver.name(),
                            device,
                            e.getMessage());
            return false;
        }
    }

    private void take(PciDevice device, PciDriver driver) {
        driver.probe(device);
        device.setDriver(Optional.of(driver));
        changed(device);
    }

    private void release(PciDevice device) {
        device.driver().ifPresent(driver -> {
            driver.remove(device);
            device.setDriver(Optional.empty());
            changed(device);
        });
    }

    private void changed(PciDevice device) {
        listeners.forEach(listener -> listener.changed(device));
    }
}
