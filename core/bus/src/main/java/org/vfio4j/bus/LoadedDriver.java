package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;

/** A registered driver, its users, which are what {@code struct module} counts, and its dynamic ids. Safe for all threads. */
final class LoadedDriver {

    private static final int GOING = -1;

    private final PciDriver driver;
    private final AtomicInteger users = new AtomicInteger();
    private final List<PciDeviceId> dynamicIds = new CopyOnWriteArrayList<>();

    LoadedDriver(PciDriver driver) {
        this.driver = driver;
    }

    PciDriver driver() {
        return driver;
    }

    boolean matches(PciDevice device) {
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

    /** From now on nobody gets a reference; false, and nothing changes, while somebody has one. */
    boolean startGoing() {
        return users.compareAndSet(0, GOING);
    }

    /** It did not go after all. */
    void stay() {
        users.set(0);
    }

    /** @throws ErrnoException ENODEV when it is going */
    void checkStays() {
        if (users.get() == GOING) {
            throw new ErrnoException(ENODEV, "driver " + driver.name() + " is going");
        }
    }

    DriverReference reference() {
        int before;
        do {
            before = users.get();
            if (before == GOING) {
                throw new ErrnoException(ENODEV, "driver " + driver.name() + " is going");
            }
        } while (!users.compareAndSet(before, before + 1));
        AtomicBoolean held = new AtomicBoolean(true);
        return () -> {
            if (held.getAndSet(false)) {
                users.decrementAndGet();
            }
        };
    }
}
