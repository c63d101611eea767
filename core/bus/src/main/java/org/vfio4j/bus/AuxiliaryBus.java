package org.vfio4j.bus;

import java.time.Duration;
import java.util.List;
import java.util.ServiceLoader;
import org.vfio4j.sys.ErrnoException;

/**
 * The auxiliary bus of a machine (Linux, drivers/base/auxiliary.c): a driver hands parts of its device to other drivers on it. Any
 * thread may call it. What is done to one device is done one after the other, and keeps nobody from other devices.
 *
 * <p>As on Linux's there is no driver_override and there are no dynamic ids: a driver binds what its table names, by itself or
 * when it is asked to.
 */
public final class AuxiliaryBus {

    private final PciBus pci;
    private final AuxiliaryTable table = new AuxiliaryTable();
    private final DriverList<LoadedAuxiliaryDriver> drivers = table.drivers();
    private final AuxiliaryBinding binding = new AuxiliaryBinding(table);

    AuxiliaryBus(PciBus pci) {
        this.pci = pci;
    }

    /** The PCI bus of the same machine, which has the machine's services. */
    public PciBus pci() {
        return pci;
    }

    public void addListener(AuxiliaryBusListener listener) {
        table.addListener(listener);
    }

    public void removeListener(AuxiliaryBusListener listener) {
        table.removeListener(listener);
    }

    /**
     * For the driver of {@code parent}: adds a part of its device and lets the drivers see it; auxiliary_device_init and
     * auxiliary_device_add. The driver may delete it; otherwise it goes when the driver gives {@code parent} back, before that.
     *
     * @param module the driver's module, as {@code mlx5_core}
     * @param name what kind of part it is, as {@code vfio_pci}
     * @param id tells it from others of its kind, unsigned
     * @param data for its driver, of a type that the two agree upon; a {@link FunctionPart} when it is about another function
     * @throws ErrnoException EINVAL for names that make no match name, EEXIST when there is such a device, ENODEV when {@code
     *     parent} has no driver or is losing it
     */
    public AuxiliaryDevice add(BusDevice parent, String module, String name, int id, Object data) {
        AuxiliaryDeviceId matchName = new AuxiliaryDeviceId(module + "." + name);
        AuxiliaryDevice device = new AuxiliaryDevice(this, parent, matchName, id, data);
        table.add(device, parent);
        binding.core().probe(device);
        return device;
    }

    /** Takes a device off the bus: its driver gives it back first, which may wait, as long as it takes, for its user. */
    public void delete(AuxiliaryDevice device) {
        delete(device, PciBus.FOREVER);
    }

    /**
     * Takes a device off the bus, waiting no longer than {@code limit} for its user; auxiliary_device_delete.
     *
     * @throws ErrnoException EBUSY when the user has not let go by then, EINTR when the thread is interrupted; the device is as
     *     before then. ENODEV when it is gone already
     */
    public void delete(AuxiliaryDevice device, Duration limit) {
        binding.delete(device, Deadline.in(limit));
    }

    /** The devices, in the order in which they came. */
    public List<AuxiliaryDevice> devices() {
        return table.all();
    }

    /** The parts of a device, in the order in which they came. */
    public List<AuxiliaryDevice> children(BusDevice parent) {
        return table.children(parent);
    }

    /**
     * The device of this name, as {@code mlx5_core.vfio_pci.2048}.
     *
     * @throws ErrnoException ENODEV when there is none
     */
    public AuxiliaryDevice device(String name) {
        return table.get(name);
    }

    /** The drivers, in the order in which they came. */
    public List<AuxiliaryDriver> drivers() {
        return drivers.all().stream().map(LoadedAuxiliaryDriver::driver).toList();
    }

    /** The drivers whose table names a device, in the order in which they came. */
    public List<AuxiliaryDriver> matching(AuxiliaryDevice device) {
        return drivers.all().stream()
                .filter(loaded -> loaded.matches(device))
                .map(LoadedAuxiliaryDriver::driver)
                .toList();
    }

    /** Registers every driver that {@link ServiceLoader} finds and that is not registered yet. */
    public void loadDrivers() {
        for (AuxiliaryDriver driver : ServiceLoader.load(AuxiliaryDriver.class, AuxiliaryBus.class.getClassLoader())) {
            if (!drivers.has(driver.name())) {
                register(driver);
            }
        }
    }

    /**
     * Adds a driver and lets it have the unbound devices that it matches.
     *
     * @throws ErrnoException EBUSY when there is one of this name
     */
    public void register(AuxiliaryDriver driver) {
        LoadedAuxiliaryDriver loaded = new LoadedAuxiliaryDriver(driver);
        drivers.add(loaded);
        binding.core().offerAll(loaded);
        driver.registered(this);
    }

    /**
     * Takes a driver away; it gives its devices back first.
     *
     * @throws ErrnoException ENODEV when it is not registered, EBUSY while somebody holds a {@link #reference}, and what its
     *     remove failed with: then it stays
     */
    public void unregister(AuxiliaryDriver driver) {
        binding.core().unregister(drivers.get(driver.name()));
    }

    /**
     * Holds a driver, so that it is not unregistered: try_module_get.
     *
     * @throws ErrnoException ENODEV when it is going or gone
     */
    public DriverReference reference(AuxiliaryDriver driver) {
        return drivers.get(driver.name()).users().reference();
    }

    /** Lets the drivers see an unbound device: drivers_probe. Returns whether one has it now. */
    public boolean probe(AuxiliaryDevice device) {
        return binding.core().probe(device);
    }

    /**
     * Gives a device to a driver that matches it.
     *
     * @throws ErrnoException EBUSY when a driver has it, even one that is about to give it back; EINVAL when the driver does not
     *     match it; ENODEV when there is no such driver or the device is gone; or what the driver's probe failed with
     */
    public void bind(AuxiliaryDevice device, String driverName) {
        binding.core().bind(device, drivers.get(driverName));
    }

    /** Takes a device from its driver, which may wait, as long as it takes, for its user. */
    public void unbind(AuxiliaryDevice device) {
        unbind(device, PciBus.FOREVER);
    }

    /**
     * Takes a device from its driver, waiting no longer than {@code limit} for its user.
     *
     * @throws ErrnoException EBUSY when the user has not let go by then, EINTR when the thread is interrupted; the driver has
     *     the device as before then. ENODEV when it has no driver
     */
    public void unbind(AuxiliaryDevice device, Duration limit) {
        binding.core().unbind(device, Deadline.in(limit));
    }

    AuxiliaryBinding binding() {
        return binding;
    }
}
