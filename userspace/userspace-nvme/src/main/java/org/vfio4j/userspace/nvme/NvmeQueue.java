package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * One of a controller's I/O queue pairs: requests to a namespace (NVM Command Set 1.0, 3.2). Belongs to one thread at a time.
 *
 * <p>A completion's result is -EILSEQ when a compare finds other data, -EINVAL, -ENOTSUP, -EROFS and -ENOSPC for what NVMe says in these
 * words, -EIO for everything else; {@link #status} has the controller's own word.
 */
public final class NvmeQueue implements DiskQueue {

    private static final int DWORD = 4;

    private final NvmeNamespace namespace;
    private final DmaMemory memory;
    private final CommandRing ring;

    // By slot.
    private final int[] tags;

    NvmeQueue(NvmeNamespace namespace, DmaMemory memory, CommandRing ring) {
        this(namespace, memory, ring, new int[ring.slots()]);
    }

    /** @param tags of the requests that are in flight, by slot */
    NvmeQueue(NvmeNamespace namespace, DmaMemory memory, CommandRing ring, int[] tags) {
        this.namespace = namespace;
        this.memory = memory;
        this.ring = ring;
        this.tags = tags.clone();
    }

    /** @param vector what it interrupts with, -1 for nothing */
    RingState state(int vector) {
        return ring.state(vector, tags);
    }

    @Override
    public int depth() {
        return ring.slots();
    }

    @Override
    public int inFlight() {
        return ring.inFlight();
    }

    @Override
    public boolean read(long offset, long buffer, int length, int tag) {
        namespace.checkRange("read", offset, length, namespace.maxTransferBytes());
        return transfer(READ, offset, buffer, length, 0, tag);
    }

    @Override
    public boolean write(long offset, long buffer, int length, int tag) {
        namespace.checkWritable();
        namespace.checkRange("write", offset, length, namespace.maxTransferBytes());
        return transfer(WRITE, offset, buffer, length, 0, tag);
    }

    /** Writes so that the data is stable when the request completes (Force Unit Access); otherwise as {@link #write}. */
    public boolean writeThrough(long offset, long buffer, int length, int tag) {
        namespace.checkWritable();
        namespace.checkRange("write", offset, length, namespace.maxTransferBytes());
        return transfer(WRITE, offset, buffer, length, CDW12_FUA, tag);
    }

    /**
     * Compares a buffer with the namespace: -EILSEQ when they differ. Otherwise as {@link #read}.
     *
     * @throws ErrnoException also ENOTSUP when the controller does not know it
     */
    public boolean compare(long offset, long buffer, int length, int tag) {
        namespace.checkRange("compare", offset, length, namespace.canCompare() ? namespace.maxTransferBytes() : 0);
        return transfer(COMPARE, offset, buffer, length, 0, tag);
    }

    /** Every controller knows it. */
    @Override
    public boolean flush(int tag) {
        int slot = ring.take();
        if (slot == CommandRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        ring.queue(slot, FLUSH, namespace.nsid(), 0, 0, 0, 0);
        return true;
    }

    /**
     * Gives a range of the namespace up (Dataset Management, Deallocate): what it reads as is the controller's choice.
     *
     * @return false when the queue is full
     * @throws ErrnoException ENOTSUP when the controller does not know it, EINVAL for a range that is not in the namespace
     */
    public boolean deallocate(long offset, long length, int tag) {
        namespace.checkWritable();
        namespace.checkRange("deallocate", offset, length, namespace.maxDeallocateBytes());
        int slot = ring.take();
        if (slot == CommandRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        long range = ring.list(slot);
        RawMemory.putInt(range, 0);
        RawMemory.putInt(range + DSM_RANGE_BLOCKS, (int) (length >>> namespace.blockShift()));
        RawMemory.putLong(range + DSM_RANGE_SLBA, offset >>> namespace.blockShift());
        long ranges = 0; // One; a 0's based number.
        long cdw11 = (long) DSM_AD << Integer.SIZE;
        ring.queue(slot, DATASET_MANAGEMENT, namespace.nsid(), ring.listIova(slot), DSM_RANGE_SIZE, cdw11 | ranges, 0);
        return true;
    }

    /** At most {@link NvmeNamespace#maxWriteZeroesBytes} at once. */
    @Override
    public boolean writeZeroes(long offset, long length, boolean mayDeallocate, int tag) {
        namespace.checkWritable();
        namespace.checkRange("write zeroes", offset, length, namespace.maxWriteZeroesBytes());
        int slot = ring.take();
        if (slot == CommandRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        long flags = mayDeallocate && namespace.zeroesByDeallocation() ? CDW12_DEAC : 0;
        ring.queue(
                slot,
                WRITE_ZEROES,
                namespace.nsid(),
                0,
                0,
                offset >>> namespace.blockShift(),
                flags | ((length >>> namespace.blockShift()) - 1));
        return true;
    }

    @Override
    public void kick() {
        ring.publish();
    }

    @Override
    public int poll(Completion handler) {
        if (!ring.pending()) {
            return 0;
        }
        // No more than are in flight now: else a fast controller could keep a handler that makes new requests here for
        // ever. At least
        // one, to see that it completes what is not in flight.
        int most = Math.max(ring.inFlight(), 1);
        int done = 0;
        while (done < most) {
            int slot = ring.next();
            if (slot == CommandRing.NONE) {
                break;
            }
            int tag = tags[slot];
            ring.give(slot);
            done++;
            handler.complete(tag, NvmeStatus.result(ring.status()));
        }
        ring.tellSome();
        return done;
    }

    /**
     * Status of the completion that was handed out last (Base 2.0, 3.3.3.2.1), without the phase tag: code in bits 7:0, type in
     * 10:8, Do Not Retry in 14.
     */
    public int status() {
        return ring.status();
    }

    @Override
    public boolean hasCompletions() {
        return ring.pending();
    }

    @Override
    public boolean await(long timeoutNs) {
        return ring.await(timeoutNs);
    }

    private boolean transfer(int opcode, long offset, long buffer, int length, int flags, int tag) {
        if (!memory.contains(buffer, length) || buffer % DWORD != 0) {
            throw new ErrnoException(
                    EINVAL,
                    "buffer of " + length + " bytes at " + buffer + ": a multiple of " + DWORD + ", within "
                            + memory.sizeBytes() + " bytes of DMA memory");
        }
        int slot = ring.take();
        if (slot == CommandRing.NONE) {
            return false;
        }
        tags[slot] = tag;
        int blocks = (length >>> namespace.blockShift()) - 1;
        ring.queue(
                slot,
                opcode,
                namespace.nsid(),
                memory.iova(buffer),
                length,
                offset >>> namespace.blockShift(),
                Integer.toUnsignedLong(blocks | flags));
        return true;
    }
}
