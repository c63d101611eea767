package org.vfio4j.bus;

import java.time.Duration;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * A driver of auxiliary devices: {@code struct auxiliary_driver}. Loaded by {@link java.util.ServiceLoader}. For one device the
 * bus calls it from one thread at a time, for several devices from several threads.
 */
public interface AuxiliaryDriver {

    /** Its name, unique on the bus: {@code MODULE.DRIVER}, or {@code MODULE} alone. */
    String name();

    /** What it can drive. */
    List<AuxiliaryDeviceId> idTable();

    /**
     * Takes a device. What it must find again in {@link #remove} it keeps in {@link AuxiliaryDevice#setDriverData}.
     *
     * @param id the entry of the table that matched
     * @throws ErrnoException when it does not want it: the device stays unbound
     */
    void probe(AuxiliaryDevice device, AuxiliaryDeviceId id);

    /**
     * Gives a device back. May wait for the device's user.
     *
     * @param limit how long to wait
     * @throws ErrnoException EBUSY when the user has not let go by then, EINTR when the thread is interrupted: the driver has
     *     the device as before
     */
    void remove(AuxiliaryDevice device, Duration limit);

    /** It has been registered. Nothing by default. */
    default void registered(AuxiliaryBus bus) {}
}
