package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * One of a virtio disk's queues (Virtual I/O Device 1.2, 5.2.6). Belongs to one thread at a time.
 *
 * <p>A completion's result is -EIO when the disk failed, -ENOTSUP when it does not know such requests, -EPROTO for a status that does not
 * exist.
 */
public final class VirtioBlkQueue implements DiskQueue {

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

    @Override
    public int depth() {
        return ring.slots();
    }

    @Override
    public int inFlight() {
        return ring.inFlight();
    }

    /** The buffer may be anywhere in the memory. */
    @Override
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

    @Override
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

    /** Known to a disk that {@link VirtioBlkInfo#canFlush}. */
    @Override
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

    /** At most {@link VirtioBlkInfo#maxWriteZeroesBytes} at once. */
    @Override
    public boolean writeZeroes(long offset, long length, boolean mayDeallocate, int tag) {
        disk.checkWritable();
        disk.checkRange("write zeroes", offset, length, disk.maxWriteZeroesBytes());
        int flags = mayDeallocate ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
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

    /** Rings the doorbell only when the device wants that. */
    @Override
    public void kick() {
        ring.publish();
    }

    @Override
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

    @Override
    public boolean hasCompletions() {
        return ring.pending() != 0;
    }

    @Override
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
