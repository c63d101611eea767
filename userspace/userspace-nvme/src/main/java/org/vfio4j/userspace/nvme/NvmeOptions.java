package org.vfio4j.userspace.nvme;

import org.vfio4j.userspace.dma.DmaMemory;

/**
 * What a user chooses about the driver.
 *
 * @param queues the most I/O queue pairs to use; the controller may have fewer
 * @param queueSize the most entries of each queue, a power of two; the controller may have fewer. One entry is always free
 * @param bufferBytes memory for the user's buffers
 * @param iova where the controller sees the driver's memory, a multiple of 2 MiB
 * @param nsid the namespace to use; 0 for the first that is active
 * @param interrupts whether {@link NvmeQueue#await} sleeps until the controller interrupts; otherwise it looks again and again
 * @param doorbells how doorbells are rung
 * @param timeoutNs how long the controller may take to start, to stop, and for an admin command
 */
public record NvmeOptions(
        int queues,
        int queueSize,
        long bufferBytes,
        long iova,
        int nsid,
        boolean interrupts,
        Doorbells doorbells,
        long timeoutNs) {

    /**
     * How doorbells are rung. Where the controller does not offer a page that can be mapped it is {@link #SHADOW} instead, and
     * without that {@link #WRITTEN}.
     */
    public enum Doorbells {
        /** By region writes. */
        WRITTEN,

        /** By stores to the controller's page, where that memory is sealed so that it stays as large as it is. */
        MAPPED,

        /**
         * By stores to the controller's page, whatever memory it is. A server that truncates it ends this process: for servers that
         * are trusted as much as oneself.
         */
        MAPPED_UNSEALED,

        /** By stores to memory of the driver's, and a region write when the controller asks for it (Doorbell Buffer Config). */
        SHADOW
    }

    /** One queue of 256 entries, 4 MiB of buffers, the first namespace, interrupts, sealed doorbells, ten seconds. */
    public static final NvmeOptions DEFAULTS =
            new NvmeOptions(1, 256, 4L << 20, 1L << 32, 0, true, Doorbells.MAPPED, 10_000_000_000L);

    private static final int MAX_QUEUES = 256;
    private static final int MIN_QUEUE_SIZE = 2;

    public NvmeOptions {
        if (queues < 1 || queues > MAX_QUEUES) {
            throw new IllegalArgumentException(queues + " queues: the limits are 1 and " + MAX_QUEUES);
        }
        if (queueSize < MIN_QUEUE_SIZE
                || queueSize > NvmeNumbers.MAX_QUEUE_ENTRIES
                || Integer.bitCount(queueSize) != 1) {
            throw new IllegalArgumentException("queue size " + queueSize + ": no power of two from " + MIN_QUEUE_SIZE
                    + " to " + NvmeNumbers.MAX_QUEUE_ENTRIES);
        }
        if (bufferBytes < 0) {
            throw new IllegalArgumentException("buffers of " + bufferBytes + " bytes");
        }
        if (iova < 0 || iova % DmaMemory.ALIGNMENT != 0) {
            throw new IllegalArgumentException(
                    "iova 0x" + Long.toHexString(iova) + ": not a multiple of " + DmaMemory.ALIGNMENT);
        }
        if (timeoutNs <= 0) {
            throw new IllegalArgumentException("a timeout of " + timeoutNs + " ns");
        }
    }

    public NvmeOptions withQueues(int most) {
        return new NvmeOptions(most, queueSize, bufferBytes, iova, nsid, interrupts, doorbells, timeoutNs);
    }

    public NvmeOptions withQueueSize(int most) {
        return new NvmeOptions(queues, most, bufferBytes, iova, nsid, interrupts, doorbells, timeoutNs);
    }

    public NvmeOptions withBufferBytes(long bytes) {
        return new NvmeOptions(queues, queueSize, bytes, iova, nsid, interrupts, doorbells, timeoutNs);
    }

    public NvmeOptions withNsid(int namespace) {
        return new NvmeOptions(queues, queueSize, bufferBytes, iova, namespace, interrupts, doorbells, timeoutNs);
    }

    public NvmeOptions withInterrupts(boolean wanted) {
        return new NvmeOptions(queues, queueSize, bufferBytes, iova, nsid, wanted, doorbells, timeoutNs);
    }

    public NvmeOptions withDoorbells(Doorbells how) {
        return new NvmeOptions(queues, queueSize, bufferBytes, iova, nsid, interrupts, how, timeoutNs);
    }

    public NvmeOptions withTimeoutNs(long limit) {
        return new NvmeOptions(queues, queueSize, bufferBytes, iova, nsid, interrupts, doorbells, limit);
    }
}
