package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;

import org.vfio4j.sys.ErrnoException;

/** What every access to a region must keep to, whatever the device. Stateless; allocates nothing unless it refuses. */
final class RegionAccessRules {

    private RegionAccessRules() {}

    /**
     * @param name the device's, for the message
     * @param access {@code VFIO_REGION_INFO_FLAG_READ} or {@code _WRITE}
     * @throws ErrnoException EINVAL for a range that is not in the region, or an access that it does not have
     */
    static void check(String name, VfioRegionInfo region, long offset, int count, int access) {
        // Written so that it cannot overflow: offsets come from the wire.
        boolean inside =
                count > 0 && offset >= 0 && count <= region.sizeBytes() && offset <= region.sizeBytes() - count;
        if (!inside || (region.flags() & access) == 0) {
            throw outside(name, region, offset, count, access);
        }
    }

    private static ErrnoException outside(String name, VfioRegionInfo region, long offset, int count, int access) {
        return new ErrnoException(
                EINVAL,
                name + ": " + (access == VFIO_REGION_INFO_FLAG_READ ? "read" : "write") + " of "
                        + Integer.toUnsignedLong(count) + " bytes at 0x" + Long.toHexString(offset) + " of region "
                        + region.index() + ", size 0x" + Long.toHexString(region.sizeBytes()) + ", flags 0x"
                        + Integer.toHexString(region.flags()));
    }
}
