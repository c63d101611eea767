package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_S_OK;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_DISCARD;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_FLUSH;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_GET_ID;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_OUT;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_WRITE_ZEROES;

import org.vfio4j.devicemodel.CommandKind;
import org.vfio4j.devicemodel.CommandSet;

/** The types of a block device's requests (Virtual I/O Device 1.2, 5.2.6), to whoever counts them. */
enum BlkCommandSet implements CommandSet {
    BLK;

    @Override
    public CommandKind kind(int type) {
        return switch (type) {
            case VIRTIO_BLK_T_IN -> CommandKind.READ;
            case VIRTIO_BLK_T_OUT -> CommandKind.WRITE;
            case VIRTIO_BLK_T_FLUSH -> CommandKind.FLUSH;
            case VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES -> CommandKind.DISCARD;
            default -> CommandKind.OTHER;
        };
    }

    @Override
    public String name(int type) {
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

    @Override
    public boolean isPlaced(int type) {
        return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_OUT;
    }

    @Override
    public boolean worked(int status) {
        return status == VIRTIO_BLK_S_OK;
    }
}
