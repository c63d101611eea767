package org.vfio4j.vfio;

import java.util.List;

/**
 * {@code struct vfio_region_info} (linux/vfio.h).
 *
 * @param index the region
 * @param flags {@code VFIO_REGION_INFO_FLAG_*}; 0 for a region that the device does not have. {@code CAPS} is left out: whether
 *     there are capabilities the last component says
 * @param sizeBytes its size, 0 when it does not exist
 * @param capabilities {@code VFIO_REGION_INFO_CAP_*}, see {@link VfioRegionCapabilities}
 */
public record VfioRegionInfo(int index, int flags, long sizeBytes, List<VfioInfoCapability> capabilities) {

    public VfioRegionInfo {
        capabilities = List.copyOf(capabilities);
    }

    /** Without capabilities. */
    public VfioRegionInfo(int index, int flags, long sizeBytes) {
        this(index, flags, sizeBytes, List.of());
    }
}
