package org.vfio4j.vfio;

/**
 * {@code struct vfio_device_info} (linux/vfio.h): what a device is and how much of it there is.
 *
 * @param flags {@code VFIO_DEVICE_FLAGS_*}
 * @param numRegions regions, device-specific ones included
 * @param numIrqs interrupt indices
 */
public record VfioDeviceInfo(int flags, int numRegions, int numIrqs) {}
