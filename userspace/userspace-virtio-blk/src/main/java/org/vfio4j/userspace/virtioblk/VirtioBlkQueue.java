package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * One of a disk's queues: makes requests and takes their completions (Virtual I/O Device 1.2, 5.2.6). Belongs to one thread at a
 * time. Nothing is allocated per request.
 *
 * <p>A request names its data by the offset of a buffer in the driver's {@link DmaMemory}, which the device may use until the
 * request completes. The device sees new requests at the next {@link #kick}. Completions come from {@link #poll}, in any order.
 *
 * <p>A device that breaks the rules of the queue makes every later call fail with EPROTO.
 */
public final class VirtioBlkQueue {

    private static final int STATUS_BYTES = 1;

    private final VirtioBlkInfo disk;
    private final DmaMemory memory;
    private final DriverRing ring;

    // By slot.
    private final int[] tags;
    private final long[] writable;

    VirtioBlkQueue(VirtioBlkInfo disk, DmaMemory memory, DriverRing ring) {
        this.disk = disk;
        this.memory = memory;
        this.ring = ring;
        tags = new int[ring.slots()];
        writable = new long[ring.slots()];
    }

    /** One that goes on with what it had. */
    VirtioBlkQueue(VirtioBlkInfo disk, DmaMemory memory, DriverRing ring, RingState state) {
        this(disk, memory, ring);
        System.arraycopy(state.tags(), 0, tags, 0, tags.length);
        System.arraycopy(state.writable(), 0, writable, 0, writable.length);
    }

    RingState state() {
        return ring.state(tags, writable);
    }

    /** How many requests it has room for. */
    public int depth() {
        return ring.slots();
    }

    /** How many requests have been made and are not completed. */
    public int inFlight() {
        return ring.inFlight();
    }

    /**
     * Reads from the disk.
     *
     * @param offset where on the disk, in bytes, a multiple of 512
     * @param buffer where in the DMA memory
     * @param length bytes, a multiple of 512 up to {@link VirtioBlkInfo#maxTransferBytes}
     * @param tag comes back at the completion
     * @return false when the queue is full: poll first
     * @throws ErrnoException EINVAL for a range that is not in the disk or a buffer that is not in the memory; EPROTO when the
     *     device has failed
     */
    public boolean read(long offset, long buffer, int length, int tag) {
        disk.checkRange("read", offset, length, disk.maxTransferBytes());
        checkBuffer(buffer, length);
        int slot = ring.take();
        if (slot == DriverRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        writable[slot] = (long) length + STATUS_BYTES;
        ring.putData(slot, memory.iova(buffer), length, true);
        ring.queue(slot, VIRTIO_BLK_T_IN, offset / SECTOR_SIZE);
        return true;
    }

    /** Writes to the disk; otherwise as {@link #read}, and EROFS when the disk is read-only. */
    public boolean write(long offset, long buffer, int length, int tag) {
        disk.checkWritable();
        disk.checkRange("write", offset, length, disk.maxTransferBytes());
        checkBuffer(buffer, length);
        int slot = ring.take();
        if (slot == DriverRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        writable[slot] = STATUS_BYTES;
        ring.putData(slot, memory.iova(buffer), length, false);
        ring.queue(slot, VIRTIO_BLK_T_OUT, offset / SECTOR_SIZE);
        return true;
    }

    /**
     * Makes all writes that were completed before stable.
     *
     * @return false when the queue is full
     * @throws ErrnoException ENOTSUP when the disk does not know it, see {@link VirtioBlkInfo#canFlush}
     */
    public boolean flush(int tag) {
        if (!disk.canFlush()) {
            throw new ErrnoException(ENOTSUP, "flush: the virtio disk does not offer it");
        }
        int slot = ring.take();
        if (slot == DriverRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        writable[slot] = STATUS_BYTES;
        ring.putNoData(slot);
        ring.queue(slot, VIRTIO_BLK_T_FLUSH, 0);
        return true;
    }

    /**
     * Gives a range of the disk up: what it reads as is undefined afterwards.
     *
     * @return false when the queue is full
     * @throws ErrnoException ENOTSUP when the disk does not know it, EINVAL for a range that is not in the disk or longer than
     *     {@link VirtioBlkInfo#maxDiscardBytes}
     */
    public boolean discard(long offset, long length, int tag) {
        disk.checkWritable();
        disk.checkRange("discard", offset, length, disk.maxDiscardBytes());
        return range(VIRTIO_BLK_T_DISCARD, offset, length, 0, tag);
    }

    /**
     * Makes a range of the disk read as zeroes.
     *
     * @param mayUnmap whether the disk may give the range's storage up
     * @return false when the queue is full
     * @throws ErrnoException ENOTSUP when the disk does not know it, EINVAL for a range that is not in the disk or longer than
     *     {@link VirtioBlkInfo#maxWriteZeroesBytes}
     */
    public boolean writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
        disk.checkWritable();
        disk.checkRange("write zeroes", offset, length, disk.maxWriteZeroesBytes());
        int flags = mayUnmap ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
        return range(VIRTIO_BLK_T_WRITE_ZEROES, offset, length, flags, tag);
    }

    /** Asks for the disk's serial number: 20 bytes into {@code buffer}, padded with NUL. Returns false when the queue is full. */
    public boolean getId(long buffer, int tag) {
        checkBuffer(buffer, VIRTIO_BLK_ID_BYTES);
        int slot = ring.take();
        if (slot == DriverRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        writable[slot] = VIRTIO_BLK_ID_BYTES + STATUS_BYTES;
        ring.putData(slot, memory.iova(buffer), VIRTIO_BLK_ID_BYTES, true);
        ring.queue(slot, VIRTIO_BLK_T_GET_ID, 0);
        return true;
    }

    /** Shows the device the requests made since the last time, and rings its doorbell when it wants that. */
    public void kick() {
        ring.publish();
    }

    /**
     * Hands out what has completed.
     *
     * @return how much that was
     * @throws ErrnoException EPROTO when the device breaks the queue's rules
     */
    public int poll(Completion handler) {
        int pending = ring.pending();
        for (int i = 0; i < pending; i++) {
            int slot = ring.used();
            if (Integer.toUnsignedLong(ring.usedLength()) > writable[slot]) {
                throw ring.broken("it says that it wrote " + Integer.toUnsignedString(ring.usedLength()) + " bytes of "
                        + writable[slot]);
            }
            int status = ring.status(slot);
            // A device that forgets the next request's status must not be taken to have succeeded.
            ring.setStatus(slot, DriverRing.NO_STATUS);
            int tag = tags[slot];
            ring.give(slot);
            handler.complete(tag, result(status));
        }
        return pending;
    }

    /** Whether {@link #poll} would hand out something. */
    public boolean hasCompletions() {
        return ring.pending() != 0;
    }

    /**
     * Waits until something has completed.
     *
     * @return whether something has
     * @throws ErrnoException EPROTO when the device breaks the queue's rules
     */
    public boolean await(long timeoutNs) {
        return ring.await(timeoutNs);
    }

    void close() {
        ring.close();
    }

    private boolean range(int type, long offset, long length, int flags, int tag) {
        int slot = ring.take();
        if (slot == DriverRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        writable[slot] = STATUS_BYTES;
        ring.putRange(slot, offset / SECTOR_SIZE, (int) (length / SECTOR_SIZE), flags);
        ring.queue(slot, type, 0);
        return true;
    }

    private void checkBuffer(long buffer, long length) {
        if (!memory.contains(buffer, length)) {
            throw new ErrnoException(
                    EINVAL,
                    "buffer of " + length + " bytes at " + buffer + ": there are " + memory.sizeBytes()
                            + " bytes of DMA memory");
        }
    }

    private static int result(int status) {
        return switch (status) {
            case VIRTIO_BLK_S_OK -> 0;
            case VIRTIO_BLK_S_IOERR -> -EIO;
            case VIRTIO_BLK_S_UNSUPP -> -ENOTSUP;
            default -> -EPROTO;
        };
    }
}
