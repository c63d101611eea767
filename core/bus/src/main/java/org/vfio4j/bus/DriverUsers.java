package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.sys.ErrnoException;

/** Who holds a driver, which is what {@code struct module} counts, and whether it is going. Safe for all threads. */
final class DriverUsers {

    private static final int GOING = -1;

    private final String driver;
    private final AtomicInteger users = new AtomicInteger();

    /** @param driver its name, for messages */
    DriverUsers(String driver) {
        this.driver = driver;
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
            throw going();
        }
    }

    /** @throws ErrnoException ENODEV when it is going */
    DriverReference reference() {
        int before;
        do {
            before = users.get();
            if (before == GOING) {
                throw going();
            }
        } while (!users.compareAndSet(before, before + 1));
        AtomicBoolean held = new AtomicBoolean(true);
        return () -> {
            if (held.getAndSet(false)) {
                users.decrementAndGet();
            }
        };
    }

    private ErrnoException going() {
        return new ErrnoException(ENODEV, "driver " + driver + " is going");
    }
}
