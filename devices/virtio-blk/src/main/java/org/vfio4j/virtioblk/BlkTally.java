package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_DISCARD;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_FLUSH;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_GET_ID;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_OUT;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_WRITE_ZEROES;

import org.vfio4j.devicemodel.CommandKind;
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
        CommandKind kind = kind(type);
        if (queue.completed(kind, bytes, latencyNs, status == VIRTIO_BLK_S_OK)) {
            boolean isPlaced = kind == CommandKind.READ || kind == CommandKind.WRITE;
            queue.slow(name(type), isPlaced ? sector : NO_SECTOR, bytes, latencyNs, status);
        }
    }

    private static CommandKind kind(int type) {
        return switch (type) {
            case VIRTIO_BLK_T_IN -> CommandKind.READ;
            case VIRTIO_BLK_T_OUT -> CommandKind.WRITE;
            case VIRTIO_BLK_T_FLUSH -> CommandKind.FLUSH;
            case VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES -> CommandKind.DISCARD;
            default -> CommandKind.OTHER;
        };
    }

    private static String name(int type) {
        return switch (type) {
            case VIRTIO_BLK_T_IN -> "VIRTIO_BLK_T_IN";
            case VIRTIO_BLK_T_OUT -> "VIRTIO_BLK_T_OUT";
            case VIRTIO_BLK_T_FLUSH -> "VIRTIO_BLK_T_FLUSH";
            case VIRTIO_BLK_T_DISCARD -> "VIRTIO_BLK_T_DISCARD";
            case VIRTIO_BLK_T_WRITE_ZEROES -> "VIRTIO_BLK_T_WRITE_ZEROES";
            case VIRTIO_BLK_T_GET_ID -> "VIRTIO_BLK_T_GET_ID";
            default -> "unknown";
        };
    }
}
