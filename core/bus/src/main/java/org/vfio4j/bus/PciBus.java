package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.sys.ErrnoException;

/**
 * The PCI bus of a machine: its functions, their drivers, and who has whom. Any thread may call it. What is done to one device is
 * done one after the other, and may wait for the device's user; it keeps nobody from other devices.
 */
public final class PciBus {

    /** As long as it takes: a limit for what waits. */
    public static final Duration FOREVER = Duration.ofNanos(Long.MAX_VALUE);

    private final DeviceTable devices = new DeviceTable();
    private final DriverList<LoadedDriver> drivers = new DriverList<>("driver");
    private final DriverAliases aliases = new DriverAliases(drivers);
    private final PciTopology topology = new PciTopology(devices);
    private final AuxiliaryBus auxiliary = new AuxiliaryBus(this);
    private final DriverCore<PciDevice, LoadedDriver> binding =
            new DriverCore<>(devices, drivers, PciDevice::slot, auxiliary.binding()::withoutChildren);
    private final VirtualFunctions virtualFunctions = new VirtualFunctions(devices, binding, topology);
    private final Map<Class<?>, Object> services = new ConcurrentHashMap<>();

    /** Offers drivers an object that belongs to the whole machine, such as the registry of VFIO devices. */
    public <T> void provide(Class<T> type, T service) {
        services.put(type, service);
    }

    /** The machine's object of this type, if somebody provided one. */
    public <T> Optional<T> findService(Class<T> type) {
        return Optional.ofNullable(services.get(type)).map(type::cast);
    }

    /**
     * The machine's object of this type.
     *
     * @throws ErrnoException ENODEV when nobody provided one
     */
    public <T> T service(Class<T> type) {
        return findService(type)
                .orElseThrow(() -> new ErrnoException(ENODEV, "this bus has no " + type.getSimpleName()));
    }

    /** The auxiliary bus of the same machine. */
    public AuxiliaryBus auxiliary() {
        return auxiliary;
    }

    public void addListener(PciBusListener listener) {
        devices.addListener(listener);
    }

    public void removeListener(PciBusListener listener) {
        devices.removeListener(listener);
    }

    /**
     * Plugs a function in, gives its BARs addresses, and lets the drivers see it. Its virtual functions, if it has some, are off.
     *
     * <p>A function with a header of type 1 is a bridge to the buses that its registers name: they are set, and what goes behind it
     * is plugged in after it. A function on a bus that no bridge leads to sits on a root bus.
     *
     * @throws ErrnoException EEXIST when the place is taken; EINVAL when it is behind a bridge, but not right behind one, and for a
     *     bridge to buses that are not behind the bridge before it, or that are another's; ENOSPC when there are no addresses left
     */
    public PciDevice add(PciAddress address, PciFunction function) {
        PciDevice device = devices.add(address, () -> topology.place(this, address, function));
        binding.probe(device);
        return device;
    }

    /**
     * Checks that a function could be plugged in at a place, as far as the place alone says.
     *
     * @throws ErrnoException EEXIST and EINVAL as {@link #add}
     */
    public void checkFree(PciAddress address) {
        devices.checkFree(address);
        topology.checkPlace(address);
    }

    /** Unplugs a function: its driver gives it back first, which may wait, as long as it takes, for its user. */
    public void remove(PciDevice device) {
        remove(device, FOREVER);
    }

    /**
     * Unplugs a function, waiting no longer than {@code limit} for its user and those of its virtual functions.
     *
     * @throws ErrnoException EBUSY when a user has not let go by then, or when it is a bridge with functions behind it; EINTR when
     *     the thread is interrupted; the device is as before then. ENODEV when it is gone already
     */
    public void remove(PciDevice device, Duration limit) {
        virtualFunctions.remove(device, Deadline.in(limit));
    }

    /** The functions, by address. */
    public List<PciDevice> devices() {
        return devices.all();
    }

    /**
     * The function at an address.
     *
     * @throws ErrnoException ENODEV when there is none
     */
    public PciDevice device(PciAddress address) {
        return devices.get(address);
    }

    /** The drivers, in the order in which they came. */
    public List<PciDriver> drivers() {
        return drivers.all().stream().map(LoadedDriver::driver).toList();
    }

    /** Registers every driver, of auxiliary devices too, that {@link ServiceLoader} finds and that is not registered yet. */
    public void loadDrivers() {
        auxiliary.loadDrivers();
        for (PciDriver driver : ServiceLoader.load(PciDriver.class, PciDriver.class.getClassLoader())) {
            if (!drivers.has(driver.name())) {
                register(driver);
            }
        }
    }

    /**
     * Adds a driver and lets it have the unbound functions that it matches.
     *
     * @throws ErrnoException EBUSY when there is one of this name
     */
    public void register(PciDriver driver) {
        LoadedDriver loaded = new LoadedDriver(driver);
        drivers.add(loaded);
        binding.offerAll(loaded);
        driver.registered(this);
    }

    /**
     * Takes a driver away; it gives its functions back first.
     *
     * @throws ErrnoException ENODEV when it is not registered, EBUSY while somebody holds a {@link #reference}, and what its
     *     remove failed with: then it stays
     */
    public void unregister(PciDriver driver) {
        binding.unregister(drivers.get(driver.name()));
    }

    /**
     * Holds a driver, so that it is not unregistered: try_module_get.
     *
     * @throws ErrnoException ENODEV when it is going or gone
     */
    public DriverReference reference(PciDriver driver) {
        return drivers.get(driver.name()).users().reference();
    }

    /**
     * Names the only driver that may have a function: driver_override. It changes nothing for the driver that has it now.
     *
     * @param driverName empty to lift it
     */
    public void setDriverOverride(PciDevice device, Optional<String> driverName) {
        devices.change(device, () -> device.setDriverOverride(driverName));
    }

    /** Lets the drivers see an unbound function: drivers_probe. Returns whether one has it now. */
    public boolean probe(PciDevice device) {
        return binding.probe(device);
    }

    /**
     * Gives a function to a driver that matches it.
     *
     * @throws ErrnoException EBUSY when a driver has it, even one that is about to give it back; EINVAL when the driver does not
     *     match it; ENODEV when there is no such driver or the function is gone; or what the driver's probe failed with
     */
    public void bind(PciDevice device, String driverName) {
        binding.bind(device, drivers.get(driverName));
    }

    /**
     * Takes a function from its driver, which may wait, as long as it takes, for its user.
     *
     * @throws ErrnoException ENODEV when it has no driver
     */
    public void unbind(PciDevice device) {
        unbind(device, FOREVER);
    }

    /**
     * Takes a function from its driver, waiting no longer than {@code limit} for its user.
     *
     * @throws ErrnoException EBUSY when the user has not let go by then, EINTR when the thread is interrupted; the driver has
     *     the function as before then. ENODEV when it has no driver
     */
    public void unbind(PciDevice device, Duration limit) {
        binding.unbind(device, Deadline.in(limit));
    }

    /**
     * Has the driver of a physical function turn virtual functions on or off: a write of {@code sriov_numvfs}. Waits for the
     * users of those that go.
     *
     * @throws ErrnoException ENOENT when the function has no virtual functions, no driver, or one that does not do this; EINVAL
     *     below 0, ERANGE above the number that there can be; EBUSY from one number to another that are both not 0; or what the
     *     driver says
     */
    public void setNumVfs(PciDevice device, int numVfs) {
        setNumVfs(device, numVfs, FOREVER);
    }

    /**
     * Otherwise as {@link #setNumVfs(PciDevice, int)}.
     *
     * @param limit how long to wait for users in all; then EBUSY, and no virtual function goes
     */
    public void setNumVfs(PciDevice device, int numVfs, Duration limit) {
        virtualFunctions.setCount(device, numVfs, Deadline.in(limit));
    }

    /**
     * For the driver of a physical function: turns virtual functions on and lets the drivers see them, as pci_enable_sriov.
     *
     * @param driverOverride the only driver that may have them, for as long as nobody says otherwise
     * @throws ErrnoException ENOSYS for a function that has none; EINVAL for fewer than 1, more than there can be, or when some
     *     are on already; ENOMEM without bus numbers or addresses for them; EEXIST when the place of one is taken; EIO when the
     *     function does not have what its capability says. None is on then
     */
    public void enableSriov(PciDevice device, int numVfs, Optional<String> driverOverride) {
        virtualFunctions.enable(device, numVfs, driverOverride);
    }

    /**
     * For the driver of a physical function: takes all its virtual functions away, in their order, as pci_disable_sriov. Their
     * drivers give them back first, which may wait for their users.
     *
     * @param limit how long to wait in all
     * @throws ErrnoException ENOSYS for a function that has none; EBUSY when a user has not let go by then, EINTR when the
     *     thread is interrupted: then all stay, with their drivers
     */
    public void disableSriov(PciDevice device, Duration limit) {
        virtualFunctions.disable(device, Deadline.in(limit));
    }

    /**
     * Has a driver take devices with one more id, and lets it see those that have no driver: new_id.
     *
     * @throws ErrnoException ENODEV when there is no such driver, EEXIST when it takes such devices already
     */
    public void addId(String driverName, PciDeviceId id) {
        LoadedDriver loaded = drivers.get(driverName);
        if (!loaded.addId(id)) {
            throw new ErrnoException(EEXIST, "new id " + id.alias() + " of driver " + driverName);
        }
        binding.offerAll(loaded);
    }

    /**
     * Takes an id back that {@link #addId} added: remove_id. What the driver has by then it keeps.
     *
     * @param id the first of those added that it covers goes
     * @throws ErrnoException ENODEV when there is no such driver, or it was not given this id
     */
    public void removeId(String driverName, PciDeviceId id) {
        if (!drivers.get(driverName).removeId(id)) {
            throw new ErrnoException(ENODEV, "remove id " + id.alias() + " of driver " + driverName);
        }
    }

    /** All aliases of all drivers: {@code modules.alias}. */
    public List<DriverAlias> aliases() {
        return aliases.all();
    }

    /**
     * The drivers that can give a device to users of VFIO, the one that knows it best first: those with a matching
     * {@code vfio_pci:} alias, by fewest wildcards. Each driver once, with the best of its aliases.
     *
     * @param modalias the device's, as {@link PciDevice#modalias} has it
     */
    public List<DriverAlias> vfioDrivers(String modalias) {
        return aliases.vfio(modalias);
    }

    void configWritten(PciDevice device) {
        devices.configWritten(device);
    }
}
