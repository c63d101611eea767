package org.vfio4j.virtioblk;

import org.vfio4j.devicemodel.CommandSet;
import org.vfio4j.devicemodel.QueueStatistics;

/** Counts a disk's requests, in the words of the block device. Belongs to the queue thread. */
final class BlkTally {

    /** {@link #answered}: the request is at no place of its own. */
    private static final long NO_SECTOR = -1;

    /** Requests served one by one: a plain field, since nothing depends on how fresh a reader sees it. */
    long slow;

    /**
     * A request was answered.
     *
     * @param type {@code VIRTIO_BLK_T_*}, or what the driver wrote instead
     * @param bytes of data that it moved
     * @param latencyNs since it was seen
     */
    void answered(QueueStatistics queue, int type, long sector, byte status, long bytes, long latencyNs) {
        CommandSet set = BlkCommandSet.BLK;
        if (queue.completed(set.kind(type), bytes, latencyNs, set.worked(status))) {
            queue.slow(set.name(type), set.isPlaced(type) ? sector : NO_SECTOR, bytes, latencyNs, status);
        }
    }
}
