package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_ALIGN;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_ALIGN;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_ALIGN;

import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.QueueStatistics;

/** What the driver says of one queue through the common configuration (Virtual I/O Device 1.2, 4.1.4.3). */
final class QueueConfig {

    private final int maxSize;
    private int size;
    private boolean enabled;
    private long desc;
    private long avail;
    private long used;

    QueueConfig(int maxSize) {
        this.maxSize = maxSize;
        size = maxSize;
    }

    int size() {
        return size;
    }

    /** The driver may make the queue smaller; anything but a power of two up to the limit is ignored. */
    void setSize(long to) {
        if (!enabled && to > 0 && to <= maxSize && Long.bitCount(to) == 1) {
            size = (int) to;
        }
    }

    boolean isEnabled() {
        return enabled;
    }

    /** Refuses rings that are not aligned as 2.7 demands: reading the register back gives 0. Returns whether it is new. */
    boolean enable() {
        boolean aligned =
                desc % VRING_DESC_ALIGN == 0 && avail % VRING_AVAIL_ALIGN == 0 && used % VRING_USED_ALIGN == 0;
        boolean news = aligned && !enabled;
        enabled |= aligned;
        return news;
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

    void setDesc(long iova) {
        desc = enabled ? desc : iova;
    }

    void setAvail(long iova) {
        avail = enabled ? avail : iova;
    }

    void setUsed(long iova) {
        used = enabled ? used : iova;
    }

    void reset() {
        size = maxSize;
        enabled = false;
        desc = 0;
        avail = 0;
        used = 0;
    }

    /** Takes over what a checked state says. */
    void load(VirtioState.Queue from) {
        size = from.size();
        enabled = from.enabled();
        desc = from.desc();
        avail = from.avail();
        used = from.used();
    }

    SplitQueue create(int index, int maxChain, long features, QueueStatistics statistics, @Nullable InFlight inFlight) {
        boolean eventIndex = VirtioConfig.has(features, VirtioConfig.VIRTIO_RING_F_EVENT_IDX);
        RingMemory memory = new RingMemory(desc, avail, used, size, eventIndex);
        return new SplitQueue(index, memory, size, maxChain, features, statistics, inFlight);
    }
}
