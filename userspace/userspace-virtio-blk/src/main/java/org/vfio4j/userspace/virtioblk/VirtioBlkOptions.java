package org.vfio4j.userspace.virtioblk;

import org.vfio4j.userspace.dma.DmaMemory;

/**
 * What a user chooses about the driver.
 *
 * @param queues the most queues to use; the device may have fewer
 * @param queueSize the most entries of each queue, a power of two; the device may have fewer
 * @param bufferBytes memory for the user's buffers
 * @param iova where the device sees the driver's memory, a multiple of 2 MiB
 * @param interrupts whether {@link VirtioBlkQueue#await} sleeps until the device interrupts; otherwise it looks again and again
 * @param timeoutNs how long the device may take to reset, and to answer while the driver opens it
 */
public record VirtioBlkOptions(
        int queues, int queueSize, long bufferBytes, long iova, boolean interrupts, long timeoutNs) {

    /** One queue of 256 entries, 4 MiB of buffers, interrupts, five seconds. */
    public static final VirtioBlkOptions DEFAULTS =
            new VirtioBlkOptions(1, 256, 4L << 20, 1L << 32, true, 5_000_000_000L);

    private static final int MAX_QUEUES = 256;
    private static final int MIN_QUEUE_SIZE = 4;

    public VirtioBlkOptions {
        if (queues < 1 || queues > MAX_QUEUES) {
            throw new IllegalArgumentException(queues + " queues: the limits are 1 and " + MAX_QUEUES);
        }
        if (queueSize < MIN_QUEUE_SIZE
                || queueSize > VirtioNumbers.VRING_MAX_SIZE
                || Integer.bitCount(queueSize) != 1) {
            throw new IllegalArgumentException("queue size " + queueSize + ": no power of two from " + MIN_QUEUE_SIZE
                    + " to " + VirtioNumbers.VRING_MAX_SIZE);
        }
        if (bufferBytes < 0) {
            throw new IllegalArgumentException("buffers of " + bufferBytes + " bytes");
        }
        if (iova < 0 || iova % DmaMemory.ALIGNMENT != 0) {
            throw new IllegalArgumentException(
                    "iova 0x" + Long.toHexString(iova) + ": not a multiple of " + DmaMemory.ALIGNMENT);
        }
    }

    public VirtioBlkOptions withQueues(int most) {
        return new VirtioBlkOptions(most, queueSize, bufferBytes, iova, interrupts, timeoutNs);
    }

    public VirtioBlkOptions withQueueSize(int most) {
        return new VirtioBlkOptions(queues, most, bufferBytes, iova, interrupts, timeoutNs);
    }

    public VirtioBlkOptions withBufferBytes(long bytes) {
        return new VirtioBlkOptions(queues, queueSize, bytes, iova, interrupts, timeoutNs);
    }

    public VirtioBlkOptions withInterrupts(boolean wanted) {
        return new VirtioBlkOptions(queues, queueSize, bufferBytes, iova, wanted, timeoutNs);
    }

    public VirtioBlkOptions withTimeoutNs(long limit) {
        return new VirtioBlkOptions(queues, queueSize, bufferBytes, iova, interrupts, limit);
    }
}
