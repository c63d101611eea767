package org.vfio4j.i40evf;

/**
 * A descriptor ring that the driver has set up and started.
 *
 * @param transmit whether frames leave by it, or come
 * @param queue 0 to {@link I40eVf#MAX_QUEUE_PAIRS}, less one
 * @param iova where it begins
 * @param descriptors how many it has
 * @param descriptorBytes size of each; the function writes to them
 * @param bufferBytes of a receive ring, how much of the buffer that a descriptor names may be written; else 0
 */
public record VfRing(
        boolean transmit, int queue, long iova, int descriptors, int descriptorBytes, int bufferBytes) {}
