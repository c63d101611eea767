package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.EPERM;

import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;

/**
 * Why a function cannot be opened.
 *
 * @param kind what is in the way
 * @param what the same with names, as {@code its driver is nvme}
 */
public record HostObstacle(Kind kind, String what) {

    /** What can be in the way, in the order in which it is to be removed. */
    public enum Kind {
        /** It is a bridge. */
        BRIDGE(EINVAL),
        /** Nothing translates its DMA: the machine has no IOMMU, or it is off. */
        NO_IOMMU(ENODEV),
        /** It has another driver, or none. */
        DRIVER(ENODEV),
        /** Another function of its group has another driver. */
        GROUP(EPERM),
        /** The kernel's VFIO is not there. */
        NO_VFIO(ENOENT),
        /** This user may not. */
        PERMISSION(EACCES);

        private final int errno;

        Kind(int errno) {
            this.errno = errno;
        }
    }

    ErrnoException failure(PciAddress address) {
        return new ErrnoException(kind.errno, address + ": " + what);
    }
}
