package org.vfio4j.uapi;

/** Constants of linux/vfio.h under their names there. */
public final class Vfio {

    // struct vfio_device_info
    public static final int VFIO_DEVICE_FLAGS_RESET = 1;
    public static final int VFIO_DEVICE_FLAGS_PCI = 1 << 1;
    public static final int VFIO_DEVICE_FLAGS_CAPS = 1 << 7;

    // struct vfio_region_info
    public static final int VFIO_REGION_INFO_FLAG_READ = 1;
    public static final int VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
    public static final int VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
    public static final int VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;

    // struct vfio_info_cap_header: the ids of a region's capabilities
    public static final int VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
    public static final int VFIO_REGION_INFO_CAP_TYPE = 2;
    public static final int VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

    // struct vfio_region_info_cap_type
    public static final int VFIO_REGION_TYPE_PCI_VENDOR_TYPE = 1 << 31;
    public static final int VFIO_REGION_TYPE_PCI_VENDOR_MASK = 0xffff;
    public static final int VFIO_REGION_TYPE_MIGRATION = 3;
    public static final int VFIO_REGION_SUBTYPE_MIGRATION = 1;

    // struct vfio_device_migration_info: migration before Linux 5.18, whose names end in _V1 to keep them from today's
    // states
    public static final int VFIO_DEVICE_STATE_STOP_V1 = 0;
    public static final int VFIO_DEVICE_STATE_RUNNING_V1 = 1;
    public static final int VFIO_DEVICE_STATE_SAVING_V1 = 1 << 1;
    public static final int VFIO_DEVICE_STATE_RESUMING_V1 = 1 << 2;

    // Regions of x86 (vendor type 8086) and powernv (vendor types 10de and 1014), and capabilities of the latter's
    public static final int VFIO_REGION_SUBTYPE_INTEL_IGD_OPREGION = 1;
    public static final int VFIO_REGION_SUBTYPE_INTEL_IGD_HOST_CFG = 2;
    public static final int VFIO_REGION_SUBTYPE_INTEL_IGD_LPC_CFG = 3;
    public static final int VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM = 1;
    public static final int VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD = 1;
    public static final int VFIO_REGION_INFO_CAP_NVLINK2_SSATGT = 4;
    public static final int VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD = 5;

    // Capabilities of a device on s390
    public static final int VFIO_DEVICE_INFO_CAP_ZPCI_BASE = 1;
    public static final int VFIO_DEVICE_INFO_CAP_ZPCI_GROUP = 2;
    public static final int VFIO_DEVICE_INFO_CAP_ZPCI_UTIL = 3;
    public static final int VFIO_DEVICE_INFO_CAP_ZPCI_PFIP = 4;

    // struct vfio_irq_info; capabilities of interrupt indices were proposed to the kernel and not merged
    public static final int VFIO_IRQ_INFO_EVENTFD = 1;
    public static final int VFIO_IRQ_INFO_MASKABLE = 1 << 1;
    public static final int VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;
    public static final int VFIO_IRQ_INFO_NORESIZE = 1 << 3;

    public static final int VFIO_IRQ_INFO_FLAG_CAPS = 1 << 4;

    /** Its body is as that of {@link #VFIO_REGION_INFO_CAP_TYPE}. */
    public static final int VFIO_IRQ_INFO_CAP_TYPE = 3;

    // struct vfio_irq_set
    public static final int VFIO_IRQ_SET_DATA_NONE = 1;
    public static final int VFIO_IRQ_SET_DATA_BOOL = 1 << 1;
    public static final int VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
    public static final int VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
    public static final int VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
    public static final int VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;
    public static final int VFIO_IRQ_SET_DATA_TYPE_MASK =
            VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
    public static final int VFIO_IRQ_SET_ACTION_TYPE_MASK =
            VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

    // struct vfio_device_feature: bits of flags beside the feature's number
    public static final int VFIO_DEVICE_FEATURE_MASK = 0xffff;
    public static final int VFIO_DEVICE_FEATURE_GET = 1 << 16;
    public static final int VFIO_DEVICE_FEATURE_SET = 1 << 17;
    public static final int VFIO_DEVICE_FEATURE_PROBE = 1 << 18;

    public static final int VFIO_DEVICE_FEATURE_PCI_VF_TOKEN = 0;
    public static final int VFIO_DEVICE_FEATURE_MIGRATION = 1;
    public static final int VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE = 2;
    public static final int VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3;
    public static final int VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP = 4;
    public static final int VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5;
    public static final int VFIO_DEVICE_FEATURE_DMA_LOGGING_START = 6;
    public static final int VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP = 7;
    public static final int VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT = 8;
    public static final int VFIO_DEVICE_FEATURE_MIG_DATA_SIZE = 9;
    public static final int VFIO_DEVICE_FEATURE_BUS_MASTER = 10;
    public static final int VFIO_DEVICE_FEATURE_DMA_BUF = 11;
    public static final int VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 = 12;
    public static final int VFIO_DEVICE_FEATURE_ZPCI_ERROR = 13;

    /** Ops of {@link #VFIO_DEVICE_FEATURE_BUS_MASTER}. */
    public static final int VFIO_DEVICE_FEATURE_CLEAR_MASTER = 0;

    public static final int VFIO_DEVICE_FEATURE_SET_MASTER = 1;

    // struct vfio_device_feature_migration
    public static final int VFIO_MIGRATION_STOP_COPY = 1;
    public static final int VFIO_MIGRATION_P2P = 1 << 1;
    public static final int VFIO_MIGRATION_PRE_COPY = 1 << 2;

    // struct vfio_precopy_info
    public static final int VFIO_PRECOPY_INFO_REINIT = 1;

    // struct vfio_iommu_type1_dma_map, struct vfio_iommu_type1_dma_unmap
    public static final int VFIO_DMA_MAP_FLAG_READ = 1;
    public static final int VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
    public static final int VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP = 1;
    public static final int VFIO_DMA_UNMAP_FLAG_ALL = 1 << 1;

    // Regions and interrupts of a PCI device
    public static final int VFIO_PCI_BAR0_REGION_INDEX = 0;
    public static final int VFIO_PCI_BAR1_REGION_INDEX = 1;
    public static final int VFIO_PCI_BAR2_REGION_INDEX = 2;
    public static final int VFIO_PCI_BAR3_REGION_INDEX = 3;
    public static final int VFIO_PCI_BAR4_REGION_INDEX = 4;
    public static final int VFIO_PCI_BAR5_REGION_INDEX = 5;
    public static final int VFIO_PCI_ROM_REGION_INDEX = 6;
    public static final int VFIO_PCI_CONFIG_REGION_INDEX = 7;
    public static final int VFIO_PCI_VGA_REGION_INDEX = 8;
    public static final int VFIO_PCI_NUM_REGIONS = 9;

    public static final int VFIO_PCI_INTX_IRQ_INDEX = 0;
    public static final int VFIO_PCI_MSI_IRQ_INDEX = 1;
    public static final int VFIO_PCI_MSIX_IRQ_INDEX = 2;
    public static final int VFIO_PCI_ERR_IRQ_INDEX = 3;
    public static final int VFIO_PCI_REQ_IRQ_INDEX = 4;
    public static final int VFIO_PCI_NUM_IRQS = 5;

    /** struct vfio_info_cap_header: u16 id, u16 version, u32 next (from the start of the whole structure; 0 ends the list). */
    public static final class CapHeader {
        public static final int ID = 0;
        public static final int VERSION = 2;
        public static final int NEXT = 4;
        public static final int SIZEOF = 8;

        private CapHeader() {}
    }

    /** struct vfio_region_info_cap_sparse_mmap: header, u32 nr_areas, u32 reserved, then {u64 offset, u64 size} each. */
    public static final class CapSparseMmap {
        public static final int NR_AREAS = 8;
        public static final int AREAS = 16;
        public static final int SIZEOF = 16;

        public static final int AREA_OFFSET = 0;
        public static final int AREA_SIZE = 8;
        public static final int AREA_SIZEOF = 16;

        private CapSparseMmap() {}
    }

    /** struct vfio_region_info_cap_type: header, u32 type, u32 subtype. */
    public static final class CapType {
        public static final int TYPE = 8;
        public static final int SUBTYPE = 12;
        public static final int SIZEOF = 16;

        private CapType() {}
    }

    /** struct vfio_device_feature_migration: u64 flags. */
    public static final class FeatureMigration {
        public static final int FLAGS = 0;
        public static final int SIZEOF = 8;

        private FeatureMigration() {}
    }

    /** struct vfio_device_feature_mig_state: u32 device_state, s32 data_fd. */
    public static final class FeatureMigState {
        public static final int DEVICE_STATE = 0;
        public static final int DATA_FD = 4;
        public static final int SIZEOF = 8;

        private FeatureMigState() {}
    }

    /** struct vfio_device_feature_mig_data_size: u64 stop_copy_length. */
    public static final class FeatureMigDataSize {
        public static final int STOP_COPY_LENGTH = 0;
        public static final int SIZEOF = 8;

        private FeatureMigDataSize() {}
    }

    /** struct vfio_precopy_info: u32 argsz, u32 flags, u64 initial_bytes, u64 dirty_bytes. */
    public static final class PrecopyInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INITIAL_BYTES = 8;
        public static final int DIRTY_BYTES = 16;
        public static final int SIZEOF = 24;

        private PrecopyInfo() {}
    }

    /**
     * struct vfio_device_feature_dma_logging_control as vfio-user has it, with the ranges behind it: u64 page_size, u32
     * num_ranges, u32 reserved, then {u64 iova, u64 length} each.
     */
    public static final class FeatureDmaLoggingControl {
        public static final int PAGE_SIZE = 0;
        public static final int NUM_RANGES = 8;
        public static final int RANGES = 16;
        public static final int SIZEOF = 16;

        public static final int RANGE_IOVA = 0;
        public static final int RANGE_LENGTH = 8;
        public static final int RANGE_SIZEOF = 16;

        private FeatureDmaLoggingControl() {}
    }

    /**
     * struct vfio_device_feature_dma_logging_report as vfio-user has it, with the bitmap behind it: u64 iova, u64 length, u64
     * page_size, then u64 words.
     */
    public static final class FeatureDmaLoggingReport {
        public static final int IOVA = 0;
        public static final int LENGTH = 8;
        public static final int PAGE_SIZE = 16;
        public static final int BITMAP = 24;
        public static final int SIZEOF = 24;

        private FeatureDmaLoggingReport() {}
    }

    /** struct vfio_device_low_power_entry_with_wakeup: s32 wakeup_eventfd, u32 reserved. */
    public static final class LowPowerEntryWithWakeup {
        public static final int WAKEUP_EVENTFD = 0;
        public static final int SIZEOF = 8;

        private LowPowerEntryWithWakeup() {}
    }

    /** struct vfio_region_info_cap_nvlink2_ssatgt: header, u64 tgt. */
    public static final class CapNvlink2Ssatgt {
        public static final int TGT = 8;
        public static final int SIZEOF = 16;

        private CapNvlink2Ssatgt() {}
    }

    /** struct vfio_region_info_cap_nvlink2_lnkspd: header, u32 link_speed, u32 __pad. */
    public static final class CapNvlink2Lnkspd {
        public static final int LINK_SPEED = 8;
        public static final int SIZEOF = 16;

        private CapNvlink2Lnkspd() {}
    }

    /** struct vfio_device_migration_info: u32 device_state, u32 reserved, u64 pending_bytes, u64 data_offset, u64 data_size. */
    public static final class DeviceMigrationInfo {
        public static final int DEVICE_STATE = 0;
        public static final int PENDING_BYTES = 8;
        public static final int DATA_OFFSET = 16;
        public static final int DATA_SIZE = 24;
        public static final int SIZEOF = 32;

        private DeviceMigrationInfo() {}
    }

    private Vfio() {}
}
