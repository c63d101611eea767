package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.CommandRun;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.virtio.DescriptorChain;
import org.vfio4j.virtio.SplitQueue;
import org.vfio4j.virtio.VirtioRequests;

/**
 * Requests (Virtual I/O Device 1.2, 5.2.6) from descriptor chain to status byte, without a copy: the storage reads and writes
 * the driver's own buffers. Belongs to the queue thread; no request allocates.
 *
 * <p>The header is the first 16 bytes of the readable part and the status the last byte of the writable part, wherever
 * descriptors begin and end. What does not fit the fast path (memory that is not mapped, a header in pieces, rare requests)
 * goes to {@link SlowRequest}.
 */
final class BlkSession implements BlockCompletion, AutoCloseable {

    /** How many requests may be in flight, over all queues of the thread. */
    private static final int DEPTH = 256;

    /** After so many the driver is told what is done, and works while the next ones are served. */
    private static final int BATCH = 32;

    /** {@link #gather}: some piece has no address. */
    private static final int UNREACHABLE = -1;

    private final BlkDisk disk;
    private final BlkRules rules;
    private final DeviceLimits limits;
    private final StorageWait storage;
    private final BlockQueue blocks;
    private final RequestSlots slots;
    private final DescriptorChain chain;
    private final SlowRequest slow;
    private int completed;

    private final CommandRun run = new CommandRun(BlkCommandSet.BLK);

    // When the requests that are being taken were seen.
    private long seenNs;
    private boolean draining;

    // That of the requests in flight.
    private @Nullable DmaWindow window;

    BlkSession(BlkDisk disk, Fd eventFd) {
        this.disk = disk;
        rules = disk.rules();
        limits = disk.limits();
        slots = new RequestSlots(DEPTH, disk.maxChain());
        try {
            blocks = disk.backend().openQueue(DEPTH);
            blocks.wakeBy(eventFd);
            blocks.use(this::memory);
        } catch (RuntimeException e) {
            slots.close();
            throw e;
        }
        storage = new StorageWait(blocks, eventFd);
        chain = new DescriptorChain(disk.maxChain());
        slow = new SlowRequest(disk, storage);
    }

    int serve(SplitQueue queue, int waiting, DmaWindow window) {
        this.window = window;
        int limit = Math.min(Math.min(waiting, BATCH), slots.freeCount());
        boolean limited = limits.isSet();
        int taken = 0;
        seenNs = System.nanoTime();
        while (taken < limit
                && (!limited || limits.waitNs() == 0)
                && queue.take(chain, window, false) == SplitQueue.TAKEN
                && start(queue, window)) {
            taken++;
            if (limited) {
                limits.charge(payload(chain));
            }
        }
        queue.statistics().started(taken);
        return taken;
    }

    long serveSlowly(SplitQueue queue, DescriptorChain chain, DmaWindow window) {
        this.window = window;
        if (queue.take(chain, window, true) != SplitQueue.TAKEN) {
            return VirtioRequests.CUT_SHORT;
        }
        long written = slow.run(queue, chain, window);
        if (written != VirtioRequests.CUT_SHORT) {
            limits.charge(payload(chain));
        }
        return written;
    }

    int complete() {
        completed = 0;
        if (blocks.inFlight() != 0) {
            blocks.submit();
            blocks.poll(this);
        }
        run.end();
        return completed;
    }

    int inFlight() {
        return blocks.inFlight();
    }

    boolean isFull() {
        return slots.freeCount() == 0;
    }

    void drain() {
        draining = true;
        storage.awaitAll(this);
        draining = false;
    }

    boolean arm() {
        if (blocks.inFlight() == 0) {
            return false;
        }
        blocks.arm();
        return complete() > 0;
    }

    void disarm() {
        blocks.disarm();
    }

    @Override
    public void close() {
        blocks.close();
        slots.close();
        slow.close();
    }

    /** The storage is done with a slot's request, or with one step of it. */
    @Override
    public void complete(int slot, int result) {
        boolean worked = result == slots.expected[slot];
        if (worked && goesOn(slot)) {
            return;
        }
        completed++;
        finish(slot, worked ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
    }

    private MappingSet memory() {
        DmaWindow seen = window;
        return seen == null ? MappingSet.EMPTY : seen.mappings();
    }

    /** The bytes of a request without its header and its status. */
    private static long payload(DescriptorChain chain) {
        return Math.max(0, chain.readableBytes() - HEADER_SIZE) + Math.max(0, chain.writableBytes() - 1);
    }

    /** Starts the chain that was taken. Returns false when it went back, or broke the queue. */
    private boolean start(SplitQueue queue, DmaWindow window) {
        int last = chain.count() - 1;
        if (chain.writableBytes() == 0) {
            queue.breakOff("a request without a status byte");
            return false;
        }
        if (chain.readable() == 0 || chain.length(0) < HEADER_SIZE) {
            queue.takeSlowly();
            return false;
        }
        long statusIova = chain.address(last) + chain.length(last) - 1;
        long status = window.translate(statusIova, 1, DmaSpace.WRITE);
        long header = window.translate(chain.address(0), HEADER_SIZE, DmaSpace.READ);
        if (status <= 0 || header <= 0) {
            queue.takeSlowly();
            return false;
        }
        int type = RawMemory.getInt(header);
        long sector = RawMemory.getLong(header + HEADER_SECTOR);
        int slot = slots.take();
        slots.queue[slot] = queue;
        slots.head[slot] = chain.head();
        slots.type[slot] = type;
        slots.sector[slot] = sector;
        slots.startNs[slot] = seenNs;
        slots.statusAddress[slot] = status;
        slots.statusIova[slot] = statusIova;
        slots.writtenPieces[slot] = 0;
        slots.bytes[slot] = 0;
        slots.expected[slot] = 0;
        slots.flushing[slot] = false;
        slots.rangesLeft[slot] = 0;
        // Only what was written without a gap from the start on counts; the status stands at the end.
        slots.writtenWhenDone[slot] = chain.writableBytes() == 1 ? 1 : 0;
        slots.writtenWhenFailed[slot] = slots.writtenWhenDone[slot];
        return switch (type) {
            case VIRTIO_BLK_T_IN -> read(slot, sector, window);
            case VIRTIO_BLK_T_OUT -> write(slot, sector, window);
            case VIRTIO_BLK_T_FLUSH -> flush(slot);
            case VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES -> startRanges(slot, type, window);
            case VIRTIO_BLK_T_GET_ID -> giveBack(slot);
            default -> refuse(slot, VIRTIO_BLK_S_UNSUPP);
        };
    }

    private boolean read(int slot, long sector, DmaWindow window) {
        long bytes = chain.writableBytes() - 1;
        byte verdict = rules.transfer(VIRTIO_BLK_T_IN, sector, bytes);
        if (verdict != VIRTIO_BLK_S_OK) {
            return refuse(slot, verdict);
        }
        int pieces = gather(slot, chain.readable(), chain.count(), 0, bytes, DmaSpace.WRITE, window);
        if (pieces == UNREACHABLE) {
            return giveBack(slot);
        }
        slots.writtenPieces[slot] = pieces;
        slots.writtenWhenDone[slot] = (int) bytes + 1;
        slots.bytes[slot] = bytes;
        slots.expected[slot] = (int) bytes;
        blocks.readv(sector * SECTOR_SIZE, slots.memory(slot), pieces, slot);
        return true;
    }

    private boolean write(int slot, long sector, DmaWindow window) {
        long bytes = chain.readableBytes() - HEADER_SIZE;
        byte verdict = rules.transfer(VIRTIO_BLK_T_OUT, sector, bytes);
        if (verdict != VIRTIO_BLK_S_OK) {
            return refuse(slot, verdict);
        }
        int pieces = gather(slot, 0, chain.readable(), HEADER_SIZE, bytes, DmaSpace.READ, window);
        if (pieces == UNREACHABLE) {
            return giveBack(slot);
        }
        slots.bytes[slot] = bytes;
        slots.expected[slot] = (int) bytes;
        blocks.writev(sector * SECTOR_SIZE, slots.memory(slot), pieces, slot);
        return true;
    }

    private boolean flush(int slot) {
        blocks.flush(slot);
        return true;
    }

    /** Copies the ranges into the slot, where the driver cannot change them, and starts the first. */
    private boolean startRanges(int slot, int type, DmaWindow window) {
        long bytes = chain.readableBytes() - HEADER_SIZE;
        byte verdict = rules.ranges(bytes);
        if (verdict != VIRTIO_BLK_S_OK) {
            return refuse(slot, verdict);
        }
        if (!copyPayload(slots.memory(slot), bytes, window)) {
            return giveBack(slot);
        }
        int count = (int) (bytes / RANGE_SIZE);
        verdict = rules.rangesAt(type, slots.memory(slot), count);
        if (verdict != VIRTIO_BLK_S_OK) {
            return refuse(slot, verdict);
        }
        slots.rangesLeft[slot] = count;
        slots.rangesDone[slot] = 0;
        nextRange(slot);
        return true;
    }

    private void nextRange(int slot) {
        long range = slots.memory(slot) + (long) RANGE_SIZE * slots.rangesDone[slot]++;
        slots.rangesLeft[slot]--;
        long offset = RawMemory.getLong(range) * SECTOR_SIZE;
        long length = Integer.toUnsignedLong(RawMemory.getInt(range + RANGE_NUM_SECTORS)) * SECTOR_SIZE;
        if (slots.type[slot] == VIRTIO_BLK_T_DISCARD) {
            blocks.discard(offset, length, slot);
        } else {
            boolean mayUnmap = (RawMemory.getInt(range + RANGE_FLAGS) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0;
            blocks.writeZeroes(offset, length, mayUnmap, slot);
        }
    }

    /** After a step that worked: starts the next, if there is one. */
    private boolean goesOn(int slot) {
        int type = slots.type[slot];
        if (type == VIRTIO_BLK_T_IN) {
            return false;
        }
        if (slots.rangesLeft[slot] > 0) {
            nextRange(slot);
            return true;
        }
        if (type == VIRTIO_BLK_T_FLUSH || slots.flushing[slot] || !disk.config().isWriteThrough()) {
            return false;
        }
        slots.flushing[slot] = true;
        slots.expected[slot] = 0;
        blocks.flush(slot);
        return true;
    }

    /**
     * Makes the slot's iovecs of {@code bytes} bytes of the pieces {@code from} to {@code to}, behind the first {@code skip}
     * bytes. Returns how many iovecs these are.
     */
    private int gather(int slot, int from, int to, int skip, long bytes, int access, DmaWindow window) {
        long at = slots.memory(slot);
        long iovaAt = slots.iovas(slot);
        long left = bytes;
        long skipping = skip;
        int pieces = 0;
        for (int i = from; i < to && left > 0; i++) {
            long length = Math.min(chain.length(i) - skipping, left);
            if (length > 0) {
                long host = window.translate(chain.address(i) + skipping, length, access);
                if (host <= 0) {
                    return UNREACHABLE;
                }
                RawMemory.putLong(at, host);
                RawMemory.putLong(at + Long.BYTES, length);
                RawMemory.putLong(iovaAt, chain.address(i) + skipping);
                at += RequestSlots.IOVEC_SIZE;
                iovaAt += Long.BYTES;
                pieces++;
                left -= length;
            }
            skipping = 0;
        }
        return pieces;
    }

    private boolean copyPayload(long to, long bytes, DmaWindow window) {
        long done = 0;
        long skipping = HEADER_SIZE;
        for (int i = 0; i < chain.readable() && done < bytes; i++) {
            long length = chain.length(i) - skipping;
            if (length > 0) {
                long host = window.translate(chain.address(i) + skipping, length, DmaSpace.READ);
                if (host <= 0) {
                    return false;
                }
                RawMemory.copy(host, to + done, length);
                done += length;
            }
            skipping = 0;
        }
        return true;
    }

    /** What the storage has written for a slot, also when it failed in the middle, and its status. */
    private void markDirty(int slot) {
        DmaWindow written = Objects.requireNonNull(window);
        written.markDirty(slots.statusIova[slot], 1);
        long iovec = slots.memory(slot);
        long iova = slots.iovas(slot);
        for (int i = 0; i < slots.writtenPieces[slot]; i++) {
            long length = RawMemory.getLong(iovec + (long) RequestSlots.IOVEC_SIZE * i + Long.BYTES);
            written.markDirty(RawMemory.getLong(iova + (long) Long.BYTES * i), length);
        }
    }

    private boolean giveBack(int slot) {
        SplitQueue queue = slots.queue[slot];
        slots.give(slot);
        if (queue != null) {
            queue.takeSlowly();
        }
        return false;
    }

    private boolean refuse(int slot, byte status) {
        finish(slot, status);
        return true;
    }

    private void finish(int slot, byte status) {
        RawMemory.putByte(slots.statusAddress[slot], status);
        markDirty(slot);
        SplitQueue queue = slots.queue[slot];
        if (queue != null) {
            boolean worked = status == VIRTIO_BLK_S_OK;
            queue.used(slots.head[slot], worked ? slots.writtenWhenDone[slot] : slots.writtenWhenFailed[slot]);
            run.add(
                    queue.statistics(),
                    slots.type[slot],
                    status,
                    slots.startNs[slot],
                    slots.sector[slot],
                    slots.bytes[slot]);
            if (draining) {
                // A wait for everything looks more than once.
                run.end();
            }
        }
        slots.give(slot);
    }
}
