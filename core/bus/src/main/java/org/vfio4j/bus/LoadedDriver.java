package org.vfio4j.bus;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

/** A registered driver, its users and its dynamic ids. Safe for all threads. */
final class LoadedDriver implements BusDriver<PciDevice> {

    private final PciDriver driver;
    private final DriverUsers users;
    private final List<PciDeviceId> dynamicIds = new CopyOnWriteArrayList<>();

    LoadedDriver(PciDriver driver) {
        this.driver = driver;
        users = new DriverUsers(driver.name());
    }

    PciDriver driver() {
        return driver;
    }

    @Override
    public String name() {
        return driver.name();
    }

    @Override
    public DriverUsers users() {
        return users;
    }

    @Override
    public void probe(PciDevice device) {
        driver.probe(device);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        driver.remove(device, limit);
    }

    @Override
    public boolean matches(PciDevice device) {
        return device.driverOverride()
                // driver_override matches any id.
                .map(driver.name()::equals)
                .orElseGet(() -> ids().anyMatch(id -> !id.overrideOnly() && id.matches(device.function())));
    }

    /** The ids that were added at run time, then the driver's own. */
    Stream<PciDeviceId> ids() {
        return Stream.concat(dynamicIds.stream(), driver.idTable().stream());
    }

    /** Adds an id at run time; false when the driver takes every such device already. */
    synchronized boolean addId(PciDeviceId id) {
        return ids().noneMatch(known -> known.includes(id)) && dynamicIds.add(id);
    }

    /** Takes the first id back that {@link #addId} added and that {@code id} includes; false when none is. */
    synchronized boolean removeId(PciDeviceId id) {
        return dynamicIds.stream()
                .filter(id::includes)
                .findFirst()
                .map(dynamicIds::remove)
                .orElse(false);
    }
}
