package org.vfio4j.vfio;

import java.util.List;

/**
 * {@code struct vfio_device_info} (linux/vfio.h): what a device is and how much of it there is.
 *
 * @param flags {@code VFIO_DEVICE_FLAGS_*}; {@code CAPS} is left out: whether there are capabilities the last component says
 * @param numRegions regions, device-specific ones included
 * @param numIrqs interrupt indices, device-specific ones included
 * @param capabilities {@code VFIO_DEVICE_INFO_CAP_*}
 */
public record VfioDeviceInfo(int flags, int numRegions, int numIrqs, List<VfioInfoCapability> capabilities) {

    public VfioDeviceInfo {
        capabilities = List.copyOf(capabilities);
    }

    /** Without capabilities. */
    public VfioDeviceInfo(int flags, int numRegions, int numIrqs) {
        this(flags, numRegions, numIrqs, List.of());
    }
}
