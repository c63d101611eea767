package org.vfio4j.uapi;

/**
 * The vfio-user protocol's numbers and message layouts (QEMU docs/interop/vfio-user.rst): field offsets in bytes from the start
 * of the header or of the payload, in host byte order.
 */
public final class VfioUser {

    // Commands ("Commands")
    public static final int VFIO_USER_VERSION = 1;
    public static final int VFIO_USER_DMA_MAP = 2;
    public static final int VFIO_USER_DMA_UNMAP = 3;
    public static final int VFIO_USER_DEVICE_GET_INFO = 4;
    public static final int VFIO_USER_DEVICE_GET_REGION_INFO = 5;
    public static final int VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6;
    public static final int VFIO_USER_DEVICE_GET_IRQ_INFO = 7;
    public static final int VFIO_USER_DEVICE_SET_IRQS = 8;
    public static final int VFIO_USER_REGION_READ = 9;
    public static final int VFIO_USER_REGION_WRITE = 10;
    public static final int VFIO_USER_DMA_READ = 11;
    public static final int VFIO_USER_DMA_WRITE = 12;
    public static final int VFIO_USER_DEVICE_RESET = 13;
    public static final int VFIO_USER_REGION_WRITE_MULTI = 15;
    public static final int VFIO_USER_DEVICE_FEATURE = 16;
    public static final int VFIO_USER_MIG_DATA_READ = 17;
    public static final int VFIO_USER_MIG_DATA_WRITE = 18;

    /** The first number that is no command. */
    public static final int VFIO_USER_MAX = 19;

    /** Message header ("Header"): u16 msg_id, u16 command, u32 msg_size, u32 flags, u32 error_no. */
    public static final class Header {
        public static final int MSG_ID = 0;
        public static final int COMMAND = 2;
        /** Bytes of the whole message, header included. */
        public static final int MSG_SIZE = 4;

        public static final int FLAGS = 8;
        public static final int ERROR_NO = 12;
        public static final int SIZEOF = 16;

        public static final int FLAGS_TYPE_MASK = 0xf;
        public static final int FLAGS_TYPE_COMMAND = 0;
        public static final int FLAGS_TYPE_REPLY = 1;
        public static final int FLAGS_NO_REPLY = 1 << 4;
        public static final int FLAGS_ERROR = 1 << 5;

        private Header() {}
    }

    /** VFIO_USER_VERSION: u16 major, u16 minor, optional NUL-terminated JSON. */
    public static final class Version {
        public static final int MAJOR = 0;
        public static final int MINOR = 2;
        public static final int DATA = 4;

        private Version() {}
    }

    /** VFIO_USER_DMA_MAP: u32 argsz, u32 flags, u64 offset, u64 addr, u64 size. */
    public static final class DmaMap {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int OFFSET = 8;
        public static final int ADDR = 16;
        public static final int SIZE = 24;
        public static final int SIZEOF = 32;

        public static final int FLAGS_READ = 1;
        public static final int FLAGS_WRITE = 1 << 1;

        private DmaMap() {}
    }

    /** VFIO_USER_DMA_UNMAP: u32 argsz, u32 flags, u64 addr, u64 size, optionally a dirty bitmap's description. */
    public static final class DmaUnmap {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int ADDR = 8;
        public static final int SIZE = 16;
        public static final int SIZEOF = 24;

        public static final int FLAGS_GET_DIRTY_BITMAP = 1;
        public static final int FLAGS_ALL = 1 << 1;

        /** What follows with GET_DIRTY_BITMAP: u64 pgsize, u64 size in bytes, then in the reply the bitmap. */
        public static final int BITMAP_PGSIZE = 24;

        public static final int BITMAP_SIZE = 32;
        public static final int BITMAP_DATA = 40;

        private DmaUnmap() {}
    }

    /** VFIO_USER_DEVICE_GET_INFO, struct vfio_device_info: u32 argsz, u32 flags, u32 num_regions, u32 num_irqs. */
    public static final class DeviceInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int NUM_REGIONS = 8;
        public static final int NUM_IRQS = 12;
        public static final int SIZEOF = 16;

        private DeviceInfo() {}
    }

    /**
     * What struct vfio_device_info has behind those four when there are capabilities: u32 cap_offset, u32 pad. The specification
     * of the message has no capabilities: see docs/adr/0011.
     */
    public static final class DeviceInfoCaps {
        public static final int CAP_OFFSET = 16;
        public static final int SIZEOF = 24;

        private DeviceInfoCaps() {}
    }

    /**
     * VFIO_USER_DEVICE_GET_REGION_INFO, struct vfio_region_info: u32 argsz, u32 flags, u32 index, u32 cap_offset, u64 size, u64
     * offset.
     */
    public static final class RegionInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int CAP_OFFSET = 12;
        public static final int SIZE = 16;
        public static final int OFFSET = 24;
        public static final int SIZEOF = 32;

        private RegionInfo() {}
    }

    /** VFIO_USER_DEVICE_GET_REGION_IO_FDS: u32 argsz, u32 flags, u32 index, u32 count, then the entries. */
    public static final class RegionIoFds {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int COUNT = 12;
        public static final int SIZEOF = 16;

        /** An entry: u64 offset, u64 size, u32 fd_index, u32 type, u32 flags, u32 padding, u64 datamatch. */
        public static final int ENTRY_OFFSET = 0;

        public static final int ENTRY_SIZE = 8;
        public static final int ENTRY_FD_INDEX = 16;
        public static final int ENTRY_TYPE = 20;
        public static final int ENTRY_FLAGS = 24;
        public static final int ENTRY_DATAMATCH = 32;
        public static final int ENTRY_SIZEOF = 40;

        /** libvfio-user's entries are longer: u32 shadow_mem_fd_index, u64 shadow_offset, u64 datamatch follow the flags. */
        public static final int LONG_ENTRY_DATAMATCH = 40;

        public static final int LONG_ENTRY_SIZEOF = 48;

        /** An entry's type: the descriptor is an eventfd. */
        public static final int TYPE_IOEVENTFD = 0;

        /** An entry's fd_index: it has no descriptor. */
        public static final int NO_FD = 0xffffffff;

        private RegionIoFds() {}
    }

    /** VFIO_USER_DEVICE_GET_IRQ_INFO, struct vfio_irq_info: u32 argsz, u32 flags, u32 index, u32 count. */
    public static final class IrqInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int COUNT = 12;
        public static final int SIZEOF = 16;

        private IrqInfo() {}
    }

    /**
     * What follows those four when there are capabilities, as the kernel's developers proposed it and as struct
     * vfio_device_info has it: u32 cap_offset, u32 pad. See docs/adr/0011.
     */
    public static final class IrqInfoCaps {
        public static final int CAP_OFFSET = 16;
        public static final int SIZEOF = 24;

        private IrqInfoCaps() {}
    }

    /**
     * VFIO_USER_DEVICE_SET_IRQS, struct vfio_irq_set: u32 argsz, u32 flags, u32 index, u32 start, u32 count, then a byte for each
     * vector with DATA_BOOL. Event descriptors travel as ancillary data.
     */
    public static final class IrqSet {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int START = 12;
        public static final int COUNT = 16;
        public static final int DATA = 20;
        public static final int SIZEOF = 20;

        private IrqSet() {}
    }

    /** VFIO_USER_REGION_READ and VFIO_USER_REGION_WRITE: u64 offset, u32 region, u32 count, then the data. */
    public static final class RegionAccess {
        public static final int OFFSET = 0;
        public static final int REGION = 8;
        public static final int COUNT = 12;
        public static final int DATA = 16;
        public static final int SIZEOF = 16;

        private RegionAccess() {}
    }

    /** VFIO_USER_REGION_WRITE_MULTI: u64 wr_cnt, then wr_cnt times {u64 offset, u32 region, u32 count, u8 data[8]}. */
    public static final class RegionWriteMulti {
        public static final int WR_CNT = 0;
        public static final int WRITES = 8;

        public static final int WRITE_OFFSET = 0;
        public static final int WRITE_REGION = 8;
        public static final int WRITE_COUNT = 12;
        public static final int WRITE_DATA = 16;
        public static final int WRITE_SIZEOF = 24;
        public static final int WRITE_MAX_COUNT = 8;

        private RegionWriteMulti() {}
    }

    /** VFIO_USER_DMA_READ and VFIO_USER_DMA_WRITE, server to client: u64 addr, u64 count, then the data. */
    public static final class DmaAccess {
        public static final int ADDR = 0;
        public static final int COUNT = 8;
        public static final int DATA = 16;
        public static final int SIZEOF = 16;

        /** QEMU 10.1 has a u32 count, and its data follows at once. */
        public static final int SHORT_SIZEOF = 12;

        private DmaAccess() {}
    }

    /** VFIO_USER_DEVICE_FEATURE, struct vfio_device_feature: u32 argsz, u32 flags, then the feature's data. */
    public static final class DeviceFeature {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int DATA = 8;
        public static final int SIZEOF = 8;

        private DeviceFeature() {}
    }

    /** VFIO_USER_MIG_DATA_READ and VFIO_USER_MIG_DATA_WRITE: u32 argsz, u32 size, then the data. */
    public static final class MigData {
        public static final int ARGSZ = 0;
        public static final int SIZE = 4;
        public static final int DATA = 8;
        public static final int SIZEOF = 8;

        private MigData() {}
    }

    private VfioUser() {}
}
