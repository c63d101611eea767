package org.vfio4j.vfio;

/**
 * {@code struct vfio_region_info} (linux/vfio.h).
 *
 * @param index the region
 * @param flags {@code VFIO_REGION_INFO_FLAG_*}; 0 for a region that the device does not have
 * @param sizeBytes its size, 0 when it does not exist
 */
public record VfioRegionInfo(int index, int flags, long sizeBytes) {}
