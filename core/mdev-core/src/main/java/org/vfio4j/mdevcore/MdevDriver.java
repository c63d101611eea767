package org.vfio4j.mdevcore;

import java.time.Duration;
import org.vfio4j.sys.ErrnoException;

/**
 * What makes mdevs useful: {@code struct mdev_driver} (linux/mdev.h). One is named with each parent and gets all of its devices.
 * For one device the bus calls from one thread at a time, for several devices from several threads.
 */
public interface MdevDriver {

    /** Its name, as {@code vfio-mdev}. */
    String name();

    /**
     * Takes a device. What it must find again it keeps in {@link MdevDevice#setDriverData}.
     *
     * @throws ErrnoException when it cannot: then there is no such device
     */
    void probe(MdevDevice device);

    /**
     * Gives a device back.
     *
     * @param limit how long to wait for the device's user
     * @throws ErrnoException EBUSY when the user has not let go by then, EINTR when the thread is interrupted: the driver has the
     *     device as before
     */
    void remove(MdevDevice device, Duration limit);
}
