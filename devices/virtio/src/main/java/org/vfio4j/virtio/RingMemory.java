package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_IDX;
import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_RING;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_ELEM_SIZE;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_IDX;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_RING;
import static org.vfio4j.virtio.VirtioRing.availEventAt;
import static org.vfio4j.virtio.VirtioRing.descBytes;
import static org.vfio4j.virtio.VirtioRing.usedEventAt;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;

/**
 * Where the three areas of a split ring are for this process. Belongs to the queue thread.
 *
 * <p>Usually the driver's memory is mapped here and the areas are used in place. When it is not, they are copied: what the
 * driver writes is fetched before it is looked at, what the device writes is stored when it is complete. The code that reads
 * descriptors is the same for both, since both have addresses in this process.
 */
final class RingMemory implements AutoCloseable {

    private static final int MAX_RING = 1 << 15;

    private final long descIova;
    private final long availIova;
    private final long usedIova;
    private final int size;
    private final int availBytes;
    private final int usedBytes;

    private long desc;
    private long avail;
    private long used;
    private boolean located;
    private boolean copied;
    private @Nullable Mapping copy;

    RingMemory(long descIova, long availIova, long usedIova, int size, boolean eventIndex) {
        if (size < 1 || size > MAX_RING) {
            throw new IllegalArgumentException("ring of " + size + " entries: the limit is " + MAX_RING);
        }
        this.descIova = descIova;
        this.availIova = availIova;
        this.usedIova = usedIova;
        this.size = size;
        availBytes = usedEventAt(size) + (eventIndex ? 2 : 0);
        usedBytes = availEventAt(size) + (eventIndex ? 2 : 0);
    }

    long desc() {
        return desc;
    }

    long avail() {
        return avail;
    }

    long used() {
        return used;
    }

    boolean isLocated() {
        return located;
    }

    /** Whether the areas are copies that {@link #fetchIndex} and its like keep up to date. */
    boolean isCopied() {
        return copied;
    }

    /** Finds the areas in the window's present state. Returns false when some part of them is not there. */
    boolean locate(DmaWindow window) {
        long d = window.translate(descIova, descBytes(size), DmaSpace.READ);
        long a = window.translate(availIova, availBytes, DmaSpace.READ);
        long u = window.translate(usedIova, usedBytes, DmaSpace.WRITE);
        located = d >= 0 && a >= 0 && u >= 0;
        if (!located) {
            return false;
        }
        // Atomic accesses need natural alignment, which an odd offset in the memory's file could spoil.
        copied = d == 0 || a == 0 || u == 0 || ((a & 1) | (u & 3)) != 0;
        if (copied) {
            useCopy();
        } else {
            desc = d;
            avail = a;
            used = u;
        }
        return true;
    }

    /** The window has been offline or has changed: addresses are void until {@link #locate}. */
    void forget() {
        located = false;
    }

    /** Brings a copy's available index up to date: 0 or a negative errno. */
    int fetchIndex(DmaWindow window) {
        return window.read(availIova + VRING_AVAIL_IDX, avail + VRING_AVAIL_IDX, 2);
    }

    /** Brings the used index to a copy that has just been begun: 0 or a negative errno. */
    int fetchUsedIndex(DmaWindow window) {
        return window.read(usedIova + VRING_USED_IDX, used + VRING_USED_IDX, 2);
    }

    /** Brings a copy's available ring and descriptors up to date, after the index: 0 or a negative errno. */
    int fetchEntries(DmaWindow window) {
        int error = window.read(availIova + VRING_AVAIL_RING, avail + VRING_AVAIL_RING, 2L * size);
        return error != 0 ? error : window.read(descIova, desc, descBytes(size));
    }

    /** Brings what decides about interrupts up to date: 0 or a negative errno. */
    int fetchSuppression(DmaWindow window, boolean eventIndex) {
        int at = eventIndex ? usedEventAt(size) : 0;
        return window.read(availIova + at, avail + at, 2);
    }

    /** Stores a copy's used entries from {@code from} up to {@code to}, and then the index: 0 or a negative errno. */
    int storeUsed(DmaWindow window, int from, int to) {
        for (int i = from; i != to; i = (i + 1) & 0xffff) {
            int at = VRING_USED_RING + VRING_USED_ELEM_SIZE * (i & (size - 1));
            int error = window.write(usedIova + at, used + at, VRING_USED_ELEM_SIZE);
            if (error != 0) {
                return error;
            }
        }
        return window.write(usedIova + VRING_USED_IDX, used + VRING_USED_IDX, 2);
    }

    /** The used entries from {@code from} up to {@code to} and the index were written to the ring itself. */
    void markUsed(DmaWindow window, int from, int to) {
        window.markDirty(usedIova, VRING_USED_RING);
        int first = from & (size - 1);
        int last = (to - 1) & (size - 1);
        if (first > last) {
            // Around the end; not often enough to be exact.
            first = 0;
            last = size - 1;
        }
        long at = VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * first;
        window.markDirty(usedIova + at, (long) VRING_USED_ELEM_SIZE * (last - first + 1));
    }

    /** Two bytes of the used ring itself were written, the flags or avail_event. */
    void markUsedField(DmaWindow window, int at) {
        window.markDirty(usedIova + at, 2);
    }

    /** Stores two bytes of a copy's used ring, the flags or avail_event: 0 or a negative errno. */
    int storeUsedField(DmaWindow window, int at) {
        return window.write(usedIova + at, used + at, 2);
    }

    @Override
    public void close() {
        located = false;
        Mapping mapping = copy;
        if (mapping != null) {
            mapping.close();
            copy = null;
        }
    }

    private void useCopy() {
        Mapping mapping = copy;
        if (mapping == null) {
            mapping = Mapping.anonymous(descBytes(size) + align(availBytes) + align(usedBytes));
            copy = mapping;
        }
        desc = mapping.address();
        avail = desc + descBytes(size);
        used = avail + align(availBytes);
    }

    private static long align(int bytes) {
        return (bytes + 7L) & ~7L;
    }
}
