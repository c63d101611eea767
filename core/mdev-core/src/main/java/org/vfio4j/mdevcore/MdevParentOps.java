package org.vfio4j.mdevcore;

import java.util.List;
import java.util.UUID;
import org.vfio4j.sys.ErrnoException;

/**
 * What a parent's driver does for the devices that are made of the parent: {@code mdev_parent_ops}. Several threads may call for
 * several devices.
 */
public interface MdevParentOps {

    /** The driver's name, with which the names of its types begin. */
    String driverName();

    /** What it can make: the same at all times, one at least. */
    List<MdevType> types();

    /** How many more of a type there could be now. Types may draw on the same resources. */
    int availableInstances(MdevType type);

    /**
     * Makes a device.
     *
     * @param uuid which is free
     * @throws ErrnoException EUSERS when there is none left; whatever else keeps it from being made
     */
    MdevInstance create(MdevType type, UUID uuid);
}
