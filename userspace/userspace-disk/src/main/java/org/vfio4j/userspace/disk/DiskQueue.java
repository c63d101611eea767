package org.vfio4j.userspace.disk;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * One of a disk's queues, whichever driver it has: makes requests and takes their completions. Belongs to one thread at a time. Nothing
 * is allocated for a request.
 *
 * <p>A request names its data by the offset of a buffer in the driver's {@link DmaMemory}, which the device may use until the request
 * completes. The device sees new requests at the next {@link #kick}. Completions come from {@link #poll}, in any order.
 *
 * <p>A device that breaks the rules of the queue makes every later call fail with EPROTO.
 */
public interface DiskQueue {

    /** How many requests it has room for. */
    int depth();

    /** How many requests have been made and are not completed. */
    int inFlight();

    /**
     * Reads from the disk.
     *
     * @param offset where on the disk, in bytes, a multiple of {@link DiskDriver#sectorBytes}
     * @param buffer where in the DMA memory, a multiple of 4
     * @param length bytes, a multiple of {@link DiskDriver#sectorBytes} up to {@link DiskDriver#maxTransferBytes}
     * @param tag comes back at the completion
     * @return false when the queue is full: poll first
     * @throws ErrnoException EINVAL for a range that is not on the disk or a buffer that is not in the memory; EPROTO when the device has
     *     failed
     */
    boolean read(long offset, long buffer, int length, int tag);

    /** Writes to the disk; otherwise as {@link #read}, and EROFS when the disk is read-only. */
    boolean write(long offset, long buffer, int length, int tag);

    /**
     * Makes all writes that were completed before stable.
     *
     * @return false when the queue is full
     * @throws ErrnoException ENOTSUP when the disk does not know it: its writes are stable when they complete
     */
    boolean flush(int tag);

    /**
     * Makes a range of the disk read as zeroes.
     *
     * @param mayDeallocate whether the disk may give the range's storage up, if it can do that
     * @return false when the queue is full
     * @throws ErrnoException ENOTSUP when the disk does not know it; EINVAL for a range that is not on the disk or longer than it takes at
     *     once
     */
    boolean writeZeroes(long offset, long length, boolean mayDeallocate, int tag);

    /** Shows the device the requests made since the last time. */
    void kick();

    /**
     * Hands out what has completed.
     *
     * @return how much that was
     * @throws ErrnoException EPROTO when the device breaks the queue's rules
     */
    int poll(Completion handler);

    /** Whether {@link #poll} would hand out something. */
    boolean hasCompletions();

    /**
     * Waits until something has completed.
     *
     * @return whether something has
     * @throws ErrnoException EPROTO when the device breaks the queue's rules
     */
    boolean await(long timeoutNs);
}
