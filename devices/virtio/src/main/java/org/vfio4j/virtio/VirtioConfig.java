package org.vfio4j.virtio;

/** Device status and the feature bits that do not belong to one device type: linux/virtio_config.h, linux/virtio_ring.h. */
public final class VirtioConfig {

    // Virtual I/O Device 1.2, 2.1.
    public static final int VIRTIO_CONFIG_S_ACKNOWLEDGE = 1;
    public static final int VIRTIO_CONFIG_S_DRIVER = 2;
    public static final int VIRTIO_CONFIG_S_DRIVER_OK = 4;
    public static final int VIRTIO_CONFIG_S_FEATURES_OK = 8;
    public static final int VIRTIO_CONFIG_S_NEEDS_RESET = 0x40;
    public static final int VIRTIO_CONFIG_S_FAILED = 0x80;

    // Bit numbers; 6.
    public static final int VIRTIO_RING_F_INDIRECT_DESC = 28;
    public static final int VIRTIO_RING_F_EVENT_IDX = 29;
    public static final int VIRTIO_F_VERSION_1 = 32;
    public static final int VIRTIO_F_ACCESS_PLATFORM = 33;
    public static final int VIRTIO_F_SR_IOV = 37;

    private VirtioConfig() {}

    /** The mask of feature bit {@code number}. */
    public static long feature(int number) {
        return 1L << number;
    }

    /** Whether {@code features} has bit {@code number}. */
    public static boolean has(long features, int number) {
        return ((features >>> number) & 1) != 0;
    }
}
