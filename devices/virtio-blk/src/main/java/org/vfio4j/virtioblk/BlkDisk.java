package org.vfio4j.virtioblk;

import org.vfio4j.block.BlockBackend;

/**
 * A disk's unchanging parts.
 *
 * @param backend where its bytes are
 * @param serial what GET_ID answers: {@code VIRTIO_BLK_ID_BYTES} bytes, padded with NUL
 * @param maxChain the most descriptors of a request
 */
record BlkDisk(BlockBackend backend, BlkRules rules, BlkConfig config, byte[] serial, int maxChain, BlkTally tally) {}
