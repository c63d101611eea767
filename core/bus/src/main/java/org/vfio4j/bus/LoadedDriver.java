package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.sys.ErrnoException;

/** A registered driver and its users: what {@code struct module} counts. */
final class LoadedDriver {

    private static final int GOING = -1;

    private final PciDriver driver;
    private final AtomicInteger users = new AtomicInteger();

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
        return driver.idTable().stream().anyMatch(id -> !id.overrideOnly() && id.matches(device.function()));
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
