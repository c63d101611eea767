package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_DISCARD;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_FLUSH;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_OUT;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_WRITE_ZEROES;

/** Counts requests. Written by the queue thread; plain fields, since nothing depends on how fresh a reader sees them. */
final class BlkTally {

    long reads;
    long writes;
    long flushes;
    long discards;
    long readBytes;
    long writtenBytes;
    long errors;
    long slow;

    void count(int type, byte status, long bytes) {
        if (status != VIRTIO_BLK_S_OK) {
            errors++;
            return;
        }
        switch (type) {
            case VIRTIO_BLK_T_IN -> {
                reads++;
                readBytes += bytes;
            }
            case VIRTIO_BLK_T_OUT -> {
                writes++;
                writtenBytes += bytes;
            }
            case VIRTIO_BLK_T_FLUSH -> flushes++;
            case VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES -> discards++;
            default -> {}
        }
    }
}
