package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.ErrnoException;

/**
 * The drivers of a bus by name, in the order in which they came. Safe for all threads; nothing waits in here.
 *
 * @param <L> how the bus keeps them
 */
final class DriverList<L extends BusDriver<?>> {

    private final String kind;
    private final Map<String, L> drivers = new LinkedHashMap<>();

    /** @param kind what they are called in messages */
    DriverList(String kind) {
        this.kind = kind;
    }

    /** @throws ErrnoException EBUSY when there is one of this name */
    synchronized void add(L driver) {
        if (drivers.putIfAbsent(driver.name(), driver) != null) {
            throw new ErrnoException(EBUSY, "register " + kind + " " + driver.name());
        }
    }

    /**
     * Takes a driver away that nobody holds.
     *
     * @param detach takes its devices from it; when it fails the driver stays
     * @throws ErrnoException EBUSY while somebody holds it, or what {@code detach} says
     */
    void remove(L driver, Runnable detach) {
        if (!driver.users().startGoing()) {
            throw new ErrnoException(EBUSY, "unregister " + kind + " " + driver.name() + ", which is in use");
        }
        boolean gone = false;
        try {
            detach.run();
            synchronized (this) {
                drivers.remove(driver.name(), driver);
            }
            gone = true;
        } finally {
            if (!gone) {
                driver.users().stay();
            }
        }
    }

    /** @throws ErrnoException ENODEV when there is none of this name */
    synchronized L get(String name) {
        L driver = drivers.get(name);
        if (driver == null) {
            throw new ErrnoException(ENODEV, kind + " " + name);
        }
        return driver;
    }

    synchronized boolean has(String name) {
        return drivers.containsKey(name);
    }

    synchronized List<L> all() {
        return new ArrayList<>(drivers.values());
    }
}
