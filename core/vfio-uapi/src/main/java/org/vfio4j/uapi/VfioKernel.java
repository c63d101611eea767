package org.vfio4j.uapi;

/**
 * What linux/vfio.h has beyond a device, and vfio-user has not: containers, groups, the IOMMU of type1, and the features whose arrays the
 * kernel has pointers to.
 */
public final class VfioKernel {

    public static final int VFIO_API_VERSION = 0;

    // Extensions, as VFIO_CHECK_EXTENSION and VFIO_SET_IOMMU take them
    public static final int VFIO_TYPE1v2_IOMMU = 3;
    public static final int VFIO_UNMAP_ALL = 9;

    // struct vfio_group_status
    public static final int VFIO_GROUP_FLAGS_VIABLE = 1;
    public static final int VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;

    // struct vfio_iommu_type1_info and the ids of its capabilities
    public static final int VFIO_IOMMU_INFO_PGSIZES = 1;
    public static final int VFIO_IOMMU_INFO_CAPS = 1 << 1;
    public static final int VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;

    /** struct vfio_group_status: u32 argsz, u32 flags. */
    public static final class GroupStatus {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int SIZEOF = 8;

        private GroupStatus() {}
    }

    /** struct vfio_iommu_type1_info: u32 argsz, u32 flags, u64 iova_pgsizes, u32 cap_offset, u32 pad. */
    public static final class IommuType1Info {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int IOVA_PGSIZES = 8;
        public static final int CAP_OFFSET = 16;
        public static final int SIZEOF = 24;

        private IommuType1Info() {}
    }

    /** struct vfio_iommu_type1_info_cap_iova_range: header, u32 nr_iovas, u32 reserved, then {u64 start, u64 end} each. */
    public static final class CapIovaRange {
        public static final int NR_IOVAS = 8;
        public static final int IOVA_RANGES = 16;
        public static final int SIZEOF = 16;

        public static final int RANGE_START = 0;

        /** The last byte of the range. */
        public static final int RANGE_END = 8;

        public static final int RANGE_SIZEOF = 16;

        private CapIovaRange() {}
    }

    /** struct vfio_iommu_type1_dma_map: u32 argsz, u32 flags, u64 vaddr, u64 iova, u64 size. */
    public static final class DmaMap {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int VADDR = 8;
        public static final int IOVA = 16;
        public static final int SIZE = 24;
        public static final int SIZEOF = 32;

        private DmaMap() {}
    }

    /** struct vfio_iommu_type1_dma_unmap: u32 argsz, u32 flags, u64 iova, u64 size. */
    public static final class DmaUnmap {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int IOVA = 8;
        public static final int SIZE = 16;
        public static final int SIZEOF = 24;

        private DmaUnmap() {}
    }

    /** struct vfio_device_feature_dma_logging_control: u64 page_size, u32 num_ranges, u32 reserved, u64 ranges, a pointer. */
    public static final class FeatureDmaLoggingControl {
        public static final int PAGE_SIZE = 0;
        public static final int NUM_RANGES = 8;
        public static final int RANGES = 16;
        public static final int SIZEOF = 24;

        private FeatureDmaLoggingControl() {}
    }

    /** struct vfio_device_feature_dma_logging_report: u64 iova, u64 length, u64 page_size, u64 bitmap, a pointer. */
    public static final class FeatureDmaLoggingReport {
        public static final int IOVA = 0;
        public static final int LENGTH = 8;
        public static final int PAGE_SIZE = 16;
        public static final int BITMAP = 24;
        public static final int SIZEOF = 32;

        private FeatureDmaLoggingReport() {}
    }

    private VfioKernel() {}
}
