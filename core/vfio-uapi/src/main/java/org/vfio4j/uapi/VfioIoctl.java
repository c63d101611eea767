package org.vfio4j.uapi;

/** The requests that the kernel's VFIO takes by ioctl(2) on a container, a group or a device, under their names in linux/vfio.h. */
public enum VfioIoctl {
    VFIO_GET_API_VERSION(0),
    VFIO_CHECK_EXTENSION(1),
    VFIO_SET_IOMMU(2),
    VFIO_GROUP_GET_STATUS(3),
    VFIO_GROUP_SET_CONTAINER(4),
    VFIO_GROUP_UNSET_CONTAINER(5),
    VFIO_GROUP_GET_DEVICE_FD(6),
    VFIO_DEVICE_GET_INFO(7),
    VFIO_DEVICE_GET_REGION_INFO(8),
    VFIO_DEVICE_GET_IRQ_INFO(9),
    VFIO_DEVICE_SET_IRQS(10),
    VFIO_DEVICE_RESET(11),
    // What it is asked of tells them from requests of other descriptors with the same number.
    VFIO_IOMMU_GET_INFO(12),
    VFIO_IOMMU_MAP_DMA(13),
    VFIO_IOMMU_UNMAP_DMA(14),
    VFIO_DEVICE_FEATURE(17),
    VFIO_MIG_GET_PRECOPY_INFO(21);

    /** {@code _IO(VFIO_TYPE, VFIO_BASE + 0)}. */
    private static final int FIRST = ';' << Byte.SIZE | 100;

    private final int number;

    VfioIoctl(int index) {
        number = FIRST + index;
    }

    public int number() {
        return number;
    }
}
