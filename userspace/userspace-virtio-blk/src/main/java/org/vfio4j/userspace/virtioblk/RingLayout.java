package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import org.vfio4j.userspace.dma.DmaMemory;

/**
 * Where in a driver's memory one of its rings is: the same for the same size, so that who goes on with a ring finds it. Offsets.
 *
 * @param size entries
 * @param slots requests that it has room for
 * @param desc descriptor table
 * @param avail available ring
 * @param used used ring
 * @param lines for each slot its indirect table and header
 * @param statuses for each slot a byte
 * @param ranges for each slot a struct virtio_blk_discard_write_zeroes
 */
record RingLayout(int size, int slots, long desc, long avail, long used, long lines, long statuses, long ranges) {

    private static final int PAGE = 4096;

    static RingLayout allocate(DmaMemory memory, int size, boolean indirect) {
        int slots = indirect ? size : size / DriverRing.DESCRIPTORS;
        return new RingLayout(
                size,
                slots,
                memory.allocate((long) VRING_DESC_SIZE * size, PAGE),
                memory.allocate(availBytes(size), PAGE),
                memory.allocate(usedBytes(size), PAGE),
                memory.allocate((long) DriverRing.LINE * slots, PAGE),
                memory.allocate(slots, DriverRing.LINE),
                memory.allocate((long) RANGE_SIZE * slots, DriverRing.LINE));
    }

    long line(int slot) {
        return lines + (long) DriverRing.LINE * slot;
    }

    static long availBytes(int size) {
        return VRING_AVAIL_RING + 2L * size + 2;
    }

    static long usedBytes(int size) {
        return VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * size + 2;
    }
}
