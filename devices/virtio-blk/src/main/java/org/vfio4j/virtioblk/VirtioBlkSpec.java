package org.vfio4j.virtioblk;

/** Numbers of the block device: linux/virtio_blk.h; Virtual I/O Device 1.2, 5.2. Offsets and sizes in bytes. */
final class VirtioBlkSpec {

    static final int VIRTIO_ID_BLOCK = 2;

    // Feature bit numbers; 5.2.3.
    static final int VIRTIO_BLK_F_SEG_MAX = 2;
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
    static final int CONFIG_SEG_MAX = 12;
    static final int CONFIG_BLK_SIZE = 20;
    static final int CONFIG_PHYSICAL_BLOCK_EXP = 24;
    static final int CONFIG_MIN_IO_SIZE = 26;
    static final int CONFIG_WCE = 32;
    static final int CONFIG_NUM_QUEUES = 34;
    static final int CONFIG_MAX_DISCARD_SECTORS = 36;
    static final int CONFIG_MAX_DISCARD_SEG = 40;
    static final int CONFIG_DISCARD_SECTOR_ALIGNMENT = 44;
    static final int CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
    static final int CONFIG_MAX_WRITE_ZEROES_SEG = 52;
    static final int CONFIG_WRITE_ZEROES_MAY_UNMAP = 56;
    static final int CONFIG_SIZE = 60;

    static final int SECTOR_SIZE = 512;

    /*
     * struct virtio_blk_outhdr; 5.2.6:
     *
     *   0       4       8               16
     *   +-------+-------+---------------+
     *   | type  | ioprio| sector        |
     *   +-------+-------+---------------+
     */
    static final int HEADER_SIZE = 16;
    static final int HEADER_SECTOR = 8;

    static final int VIRTIO_BLK_T_IN = 0;
    static final int VIRTIO_BLK_T_OUT = 1;
    static final int VIRTIO_BLK_T_FLUSH = 4;
    static final int VIRTIO_BLK_T_GET_ID = 8;
    static final int VIRTIO_BLK_T_DISCARD = 11;
    static final int VIRTIO_BLK_T_WRITE_ZEROES = 13;

    static final int VIRTIO_BLK_ID_BYTES = 20;

    /*
     * struct virtio_blk_discard_write_zeroes; 5.2.6:
     *
     *   0               8       12      16
     *   +---------------+-------+-------+
     *   | sector        | num   | flags |
     *   +---------------+-------+-------+
     */
    static final int RANGE_SIZE = 16;
    static final int RANGE_NUM_SECTORS = 8;
    static final int RANGE_FLAGS = 12;
    static final int VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1;

    static final byte VIRTIO_BLK_S_OK = 0;
    static final byte VIRTIO_BLK_S_IOERR = 1;
    static final byte VIRTIO_BLK_S_UNSUPP = 2;

    private VirtioBlkSpec() {}
}
