package org.vfio4j.virtio;

/** Layout of the split ring: linux/virtio_ring.h; Virtual I/O Device 1.2, 2.7. Offsets and sizes in bytes. */
public final class VirtioRing {

    /*
     * struct vring_desc (2.7.5), little-endian:
     *
     *   0               8       12      14      16
     *   +---------------+-------+-------+-------+
     *   | addr          | len   | flags | next  |
     *   +---------------+-------+-------+-------+
     */
    public static final int VRING_DESC_SIZE = 16;
    public static final int VRING_DESC_F_NEXT = 1;
    public static final int VRING_DESC_F_WRITE = 2;
    public static final int VRING_DESC_F_INDIRECT = 4;
    public static final int VRING_DESC_ALIGN = 16;

    // struct vring_avail (2.7.6): flags, idx, ring[size] of 2 bytes each, used_event.
    public static final int VRING_AVAIL_IDX = 2;
    public static final int VRING_AVAIL_RING = 4;
    public static final int VRING_AVAIL_ALIGN = 2;
    public static final int VRING_AVAIL_F_NO_INTERRUPT = 1;

    // struct vring_used (2.7.8): flags, idx, ring[size] of id and len, avail_event.
    public static final int VRING_USED_IDX = 2;
    public static final int VRING_USED_RING = 4;
    public static final int VRING_USED_ELEM_SIZE = 8;
    public static final int VRING_USED_ALIGN = 4;
    public static final int VRING_USED_F_NO_NOTIFY = 1;

    private VirtioRing() {}

    /** Bytes of a descriptor table. */
    public static int descBytes(int size) {
        return VRING_DESC_SIZE * size;
    }

    /** Where used_event is in the available ring; the ring has two bytes more with it. */
    public static int usedEventAt(int size) {
        return VRING_AVAIL_RING + 2 * size;
    }

    /** Where avail_event is in the used ring; the ring has two bytes more with it. */
    public static int availEventAt(int size) {
        return VRING_USED_RING + VRING_USED_ELEM_SIZE * size;
    }

    /** Whether moving an index from {@code before} to {@code now} passes {@code event} (2.7.10); all modulo 65536. */
    public static boolean needsEvent(int event, int now, int before) {
        return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
    }
}
