package org.vfio4j.vfiomdev;

import org.vfio4j.bus.DriverReference;
import org.vfio4j.mdevcore.MdevInstance;
import org.vfio4j.vfio.VfioDeviceOps;

/** An mdev that VFIO can give to users: what a parent driver's {@code create} returns when its parent goes with {@code vfio-mdev}. */
public interface VfioMdevInstance extends MdevInstance {

    /** What users reach: the parent driver's own operations, or {@code vfio-pci-core}'s. The same object each time. */
    VfioDeviceOps ops();

    /**
     * Holds the parent's driver while a user has the device: {@code try_module_get}. Nothing to hold for a parent that is not a
     * driver's.
     *
     * @throws org.vfio4j.sys.ErrnoException ENODEV when the driver is going
     */
    default DriverReference referenceDriver() {
        return () -> {};
    }
}
