package org.vfio4j.virtioblk;

import org.vfio4j.block.BlockBackend;
import org.vfio4j.devicemodel.DeviceLimits;

/**
 * A disk's unchanging parts, as one of its queue threads has them.
 *
 * @param backend where its bytes are
 * @param serial what GET_ID answers: {@code VIRTIO_BLK_ID_BYTES} bytes, padded with NUL
 * @param maxChain the most descriptors of a request
 * @param limits of all its threads together
 * @param tally that thread's own
 */
record BlkDisk(
        BlockBackend backend,
        BlkRules rules,
        BlkConfig config,
        byte[] serial,
        int maxChain,
        DeviceLimits limits,
        BlkTally tally) {}
