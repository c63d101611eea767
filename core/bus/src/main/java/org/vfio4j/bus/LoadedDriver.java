package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;

/** A registered driver and its users: what {@code struct module} counts. */
final class LoadedDriver {

    private static final int GOING = -1;

    private final PciDriver driver;
    private final AtomicInteger users = new AtomicInteger();

    // Under the bus's lock, as matching is.
    private final List<PciDeviceId> dynamicIds = new ArrayList<>();

    LoadedDriver(PciDriver driver) {
        this.driver = driver;
    }

    PciDriver driver() {
        return driver;
    }

    boolean matches(PciDevice device) {
        boolean overridden = device.driverOverride().isPresent();
        if (overridden) {
            // driver_override matches any id.
            return device.driverOverride().get().equals(driver.name());
        }
        return ids().anyMatch(id -> !id.overrideOnly() && id.matches(device.function()));
    }

    /** The ids that were added at run time, then the driver's own. */
    Stream<PciDeviceId> ids() {
        return Stream.concat(dynamicIds.stream(), driver.idTable().stream());
    }

    /** Adds an id at run time; false when it is one already. */
    boolean addId(PciDeviceId id) {
        return ids().noneMatch(id::equals) && dynamicIds.add(id);
    }

    /** Takes back what {@link #addId} added; false when that is none. */
    boolean removeId(PciDeviceId id) {
        return dynamicIds.remove(id);
    }

    /** From now on nobody gets a reference; false, and nothing changes, while somebody has one. */
    boolean startGoing() {
        return users.compareAndSet(0, GOING);
    }

    /** It did not go after all. */
    void stay() {
        users.set(0);
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
