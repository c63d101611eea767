package org.vfio4j.userspace.virtioblk;

/**
 * Names of linux/virtio_pci.h, virtio_config.h, virtio_ring.h and virtio_blk.h that the driver needs (Virtual I/O Device 1.2: 2,
 * 4.1, 5.2, 6). Feature names are bit numbers; offsets and sizes are in bytes.
 */
final class VirtioNumbers {

    // Identification; 4.1.2.
    static final int PCI_VENDOR_ID_REDHAT_QUMRANET = 0x1af4;
    static final int DEVICE_ID_BLOCK = 0x1042;
    static final int DEVICE_ID_BLOCK_TRANSITIONAL = 0x1001;

    // struct virtio_pci_cap; 4.1.4.
    static final int VIRTIO_PCI_CAP_LEN = 2;
    static final int VIRTIO_PCI_CAP_CFG_TYPE = 3;
    static final int VIRTIO_PCI_CAP_BAR = 4;
    static final int VIRTIO_PCI_CAP_OFFSET = 8;
    static final int VIRTIO_PCI_CAP_LENGTH = 12;
    static final int VIRTIO_PCI_NOTIFY_CAP_MULT = 16;
    static final int VIRTIO_PCI_CAP_COMMON_CFG = 1;
    static final int VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
    static final int VIRTIO_PCI_CAP_DEVICE_CFG = 4;

    // struct virtio_pci_common_cfg; 4.1.4.3.
    static final int VIRTIO_PCI_COMMON_DFSELECT = 0;
    static final int VIRTIO_PCI_COMMON_DF = 4;
    static final int VIRTIO_PCI_COMMON_GFSELECT = 8;
    static final int VIRTIO_PCI_COMMON_GF = 12;
    static final int VIRTIO_PCI_COMMON_MSIX = 16;
    static final int VIRTIO_PCI_COMMON_NUMQ = 18;
    static final int VIRTIO_PCI_COMMON_STATUS = 20;
    static final int VIRTIO_PCI_COMMON_CFGGENERATION = 21;
    static final int VIRTIO_PCI_COMMON_Q_SELECT = 22;
    static final int VIRTIO_PCI_COMMON_Q_SIZE = 24;
    static final int VIRTIO_PCI_COMMON_Q_MSIX = 26;
    static final int VIRTIO_PCI_COMMON_Q_ENABLE = 28;
    static final int VIRTIO_PCI_COMMON_Q_NOFF = 30;
    static final int VIRTIO_PCI_COMMON_Q_DESCLO = 32;
    static final int VIRTIO_PCI_COMMON_Q_AVAILLO = 40;
    static final int VIRTIO_PCI_COMMON_Q_USEDLO = 48;
    static final int VIRTIO_PCI_COMMON_SIZE = 56;
    static final int VIRTIO_MSI_NO_VECTOR = 0xffff;

    // Device status; 2.1.
    static final int VIRTIO_CONFIG_S_ACKNOWLEDGE = 1;
    static final int VIRTIO_CONFIG_S_DRIVER = 2;
    static final int VIRTIO_CONFIG_S_DRIVER_OK = 4;
    static final int VIRTIO_CONFIG_S_FEATURES_OK = 8;
    static final int VIRTIO_CONFIG_S_NEEDS_RESET = 0x40;
    static final int VIRTIO_CONFIG_S_FAILED = 0x80;

    // Features of any device; 6.
    static final int VIRTIO_RING_F_INDIRECT_DESC = 28;
    static final int VIRTIO_RING_F_EVENT_IDX = 29;
    static final int VIRTIO_F_VERSION_1 = 32;
    static final int VIRTIO_F_ACCESS_PLATFORM = 33;

    // Split ring; 2.7.
    static final int VRING_DESC_SIZE = 16;
    static final int VRING_DESC_LEN = 8;
    static final int VRING_DESC_F_NEXT = 1;
    static final int VRING_DESC_F_WRITE = 2;
    static final int VRING_DESC_F_INDIRECT = 4;
    static final int VRING_AVAIL_IDX = 2;
    static final int VRING_AVAIL_RING = 4;
    static final int VRING_AVAIL_F_NO_INTERRUPT = 1;
    static final int VRING_USED_IDX = 2;
    static final int VRING_USED_RING = 4;
    static final int VRING_USED_ELEM_SIZE = 8;
    static final int VRING_USED_F_NO_NOTIFY = 1;
    static final int VRING_MAX_SIZE = 1 << 15;

    // Features of a block device; 5.2.3.
    static final int VIRTIO_BLK_F_SIZE_MAX = 1;
    static final int VIRTIO_BLK_F_RO = 5;
    static final int VIRTIO_BLK_F_BLK_SIZE = 6;
    static final int VIRTIO_BLK_F_FLUSH = 9;
    static final int VIRTIO_BLK_F_TOPOLOGY = 10;
    static final int VIRTIO_BLK_F_CONFIG_WCE = 11;
    static final int VIRTIO_BLK_F_MQ = 12;
    static final int VIRTIO_BLK_F_DISCARD = 13;
    static final int VIRTIO_BLK_F_WRITE_ZEROES = 14;

    // struct virtio_blk_config; 5.2.4.
    static final int CONFIG_CAPACITY = 0;
    static final int CONFIG_SIZE_MAX = 8;
    static final int CONFIG_BLK_SIZE = 20;
    static final int CONFIG_NUM_QUEUES = 34;
    static final int CONFIG_MAX_DISCARD_SECTORS = 36;
    static final int CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;

    // Requests; 5.2.6.
    static final int SECTOR_SIZE = 512;
    static final int HEADER_SIZE = 16;
    static final int HEADER_SECTOR = 8;
    static final int VIRTIO_BLK_T_IN = 0;
    static final int VIRTIO_BLK_T_OUT = 1;
    static final int VIRTIO_BLK_T_FLUSH = 4;
    static final int VIRTIO_BLK_T_GET_ID = 8;
    static final int VIRTIO_BLK_T_DISCARD = 11;
    static final int VIRTIO_BLK_T_WRITE_ZEROES = 13;
    static final int VIRTIO_BLK_ID_BYTES = 20;
    static final int RANGE_SIZE = 16;
    static final int RANGE_NUM_SECTORS = 8;
    static final int RANGE_FLAGS = 12;
    static final int VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1;
    static final int VIRTIO_BLK_S_OK = 0;
    static final int VIRTIO_BLK_S_IOERR = 1;
    static final int VIRTIO_BLK_S_UNSUPP = 2;

    private VirtioNumbers() {}

    /** The mask of feature bit {@code number}. */
    static long feature(int number) {
        return 1L << number;
    }

    /** Whether {@code features} has bit {@code number}. */
    static boolean has(long features, int number) {
        return ((features >>> number) & 1) != 0;
    }

    /** Whether moving an index from {@code before} to {@code now} passes {@code event} (2.7.10); all modulo 65536. */
    static boolean needsEvent(int event, int now, int before) {
        return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
    }
}
