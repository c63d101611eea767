package org.vfio4j.virtioblk;

import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.virtio.DescriptorChain;
import org.vfio4j.virtio.SplitQueue;
import org.vfio4j.virtio.VirtioRequests;

/**
 * One request carried out from beginning to end, by way of a bounce buffer: for memory that is not mapped, for chains of unusual
 * shape, for requests that are too rare to be fast. Belongs to the queue thread; nothing else is in flight.
 */
final class SlowRequest implements BlockCompletion, AutoCloseable {

    /** A page for iovec, header and status, and behind it the data: aligned as storage likes it. */
    private static final int DATA_AT = 4096;

    private static final int HEADER_AT = 64;
    private static final int STATUS_AT = 128;
    private static final long DATA_BYTES = 1 << 20;

    private final BlkDisk disk;
    private final StorageWait storage;
    private @Nullable Mapping bounce;
    private int result;

    // Of the request at hand: the first error of the window's.
    private int windowError;
    private long moved;

    SlowRequest(BlkDisk disk, StorageWait storage) {
        this.disk = disk;
        this.storage = storage;
    }

    /** @return as {@link VirtioRequests#serveSlowly}; a status byte that cannot be written breaks the queue */
    long run(SplitQueue queue, DescriptorChain chain, DmaWindow window) {
        if (chain.writableBytes() == 0) {
            queue.breakOff("a request without a status byte");
            return 0;
        }
        queue.statistics().started(1);
        long startNs = System.nanoTime();
        long base = bounce().address();
        windowError = 0;
        moved = 0;
        int type = 0;
        long sector = 0;
        byte status = VIRTIO_BLK_S_IOERR;
        if (chain.readableBytes() >= HEADER_SIZE && readAt(chain, window, 0, base + HEADER_AT, HEADER_SIZE)) {
            type = RawMemory.getInt(base + HEADER_AT);
            sector = RawMemory.getLong(base + HEADER_AT + HEADER_SECTOR);
            status = carryOut(type, sector, chain, window);
        }
        if (isCutShort()) {
            return notAnswered(queue, VirtioRequests.CUT_SHORT);
        }
        long data = chain.writableBytes() - 1;
        RawMemory.putByte(base + STATUS_AT, status);
        if (!writeAt(chain, window, data, base + STATUS_AT, 1)) {
            if (isCutShort()) {
                return notAnswered(queue, VirtioRequests.CUT_SHORT);
            }
            queue.breakOff("a status byte that is not in memory");
            return notAnswered(queue, 0);
        }
        disk.tally().slow++;
        disk.tally().answered(queue.statistics(), type, sector, status, moved, System.nanoTime() - startNs);
        boolean toDriver = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
        long written = toDriver ? moved : 0;
        return written == data ? written + 1 : written;
    }

    private static long notAnswered(SplitQueue queue, long result) {
        queue.statistics().started(-1);
        return result;
    }

    @Override
    public void complete(int tag, int result) {
        this.result = result;
    }

    @Override
    public void close() {
        Mapping mapping = bounce;
        bounce = null;
        if (mapping != null) {
            mapping.close();
        }
    }

    private byte carryOut(int type, long sector, DescriptorChain chain, DmaWindow window) {
        return switch (type) {
            case VIRTIO_BLK_T_IN -> read(sector, chain, window);
            case VIRTIO_BLK_T_OUT -> write(sector, chain, window);
            case VIRTIO_BLK_T_FLUSH -> flush();
            case VIRTIO_BLK_T_GET_ID -> identify(chain, window);
            case VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES -> ranges(type, chain, window);
            default -> VIRTIO_BLK_S_UNSUPP;
        };
    }

    private byte read(long sector, DescriptorChain chain, DmaWindow window) {
        long bytes = chain.writableBytes() - 1;
        byte verdict = disk.rules().transfer(VIRTIO_BLK_T_IN, sector, bytes);
        if (verdict != VIRTIO_BLK_S_OK) {
            return verdict;
        }
        while (moved < bytes) {
            long piece = piece(bytes - moved);
            storage.blocks().readv(sector * SECTOR_SIZE + moved, iovec(piece), 1, 0);
            if (await() != piece || !writeAt(chain, window, moved, data(), piece)) {
                return VIRTIO_BLK_S_IOERR;
            }
            moved += piece;
        }
        return VIRTIO_BLK_S_OK;
    }

    private byte write(long sector, DescriptorChain chain, DmaWindow window) {
        long bytes = chain.readableBytes() - HEADER_SIZE;
        byte verdict = disk.rules().transfer(VIRTIO_BLK_T_OUT, sector, bytes);
        if (verdict != VIRTIO_BLK_S_OK) {
            return verdict;
        }
        while (moved < bytes) {
            long piece = piece(bytes - moved);
            if (!readAt(chain, window, HEADER_SIZE + moved, data(), piece)) {
                return VIRTIO_BLK_S_IOERR;
            }
            storage.blocks().writev(sector * SECTOR_SIZE + moved, iovec(piece), 1, 0);
            if (await() != piece) {
                return VIRTIO_BLK_S_IOERR;
            }
            moved += piece;
        }
        return disk.config().isWriteThrough() ? flush() : VIRTIO_BLK_S_OK;
    }

    private byte flush() {
        storage.blocks().flush(0);
        return await() == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    }

    private byte identify(DescriptorChain chain, DmaWindow window) {
        long bytes = Math.min(chain.writableBytes() - 1, VIRTIO_BLK_ID_BYTES);
        for (int i = 0; i < VIRTIO_BLK_ID_BYTES; i++) {
            RawMemory.putByte(data() + i, disk.serial()[i]);
        }
        if (!writeAt(chain, window, 0, data(), bytes)) {
            return VIRTIO_BLK_S_IOERR;
        }
        moved = bytes;
        return VIRTIO_BLK_S_OK;
    }

    private byte ranges(int type, DescriptorChain chain, DmaWindow window) {
        long bytes = chain.readableBytes() - HEADER_SIZE;
        byte verdict = disk.rules().ranges(bytes);
        if (verdict != VIRTIO_BLK_S_OK) {
            return verdict;
        }
        if (!readAt(chain, window, HEADER_SIZE, data(), bytes)) {
            return VIRTIO_BLK_S_IOERR;
        }
        int count = (int) (bytes / RANGE_SIZE);
        verdict = disk.rules().rangesAt(type, data(), count);
        for (int i = 0; i < count && verdict == VIRTIO_BLK_S_OK; i++) {
            verdict = range(type, data() + (long) RANGE_SIZE * i);
        }
        return verdict == VIRTIO_BLK_S_OK && disk.config().isWriteThrough() ? flush() : verdict;
    }

    private byte range(int type, long at) {
        long offset = RawMemory.getLong(at) * SECTOR_SIZE;
        long length = Integer.toUnsignedLong(RawMemory.getInt(at + RANGE_NUM_SECTORS)) * SECTOR_SIZE;
        if (type == VIRTIO_BLK_T_DISCARD) {
            storage.blocks().discard(offset, length, 0);
        } else {
            boolean mayUnmap = (RawMemory.getInt(at + RANGE_FLAGS) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0;
            storage.blocks().writeZeroes(offset, length, mayUnmap, 0);
        }
        return await() == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    }

    private int await() {
        storage.awaitAll(this);
        return result;
    }

    /** Copies {@code bytes} of the chain's readable part, from {@code skip} on, to {@code host}. */
    private boolean readAt(DescriptorChain chain, DmaWindow window, long skip, long host, long bytes) {
        return move(chain, window, 0, chain.readable(), skip, host, bytes, false);
    }

    /** Copies {@code bytes} from {@code host} into the chain's writable part, from {@code skip} on. */
    private boolean writeAt(DescriptorChain chain, DmaWindow window, long skip, long host, long bytes) {
        return move(chain, window, chain.readable(), chain.count(), skip, host, bytes, true);
    }

    private boolean move(
            DescriptorChain chain, DmaWindow window, int from, int to, long skip, long host, long bytes, boolean out) {
        long done = 0;
        long skipping = skip;
        for (int i = from; i < to && done < bytes; i++) {
            long here = Math.min(skipping, chain.length(i));
            long length = Math.min(chain.length(i) - here, bytes - done);
            if (length > 0) {
                long iova = chain.address(i) + here;
                int error = out ? window.write(iova, host + done, length) : window.read(iova, host + done, length);
                if (error != 0) {
                    windowError = error;
                    return false;
                }
                done += length;
            }
            skipping -= here;
        }
        return done == bytes;
    }

    private boolean isCutShort() {
        return windowError == -ECANCELED || windowError == -ENOTCONN;
    }

    private static long piece(long left) {
        return Math.min(left, DATA_BYTES);
    }

    private long data() {
        return bounce().address() + DATA_AT;
    }

    private long iovec(long bytes) {
        long at = bounce().address();
        RawMemory.putLong(at, data());
        RawMemory.putLong(at + Long.BYTES, bytes);
        return at;
    }

    private Mapping bounce() {
        Mapping mapping = bounce;
        if (mapping == null) {
            mapping = Mapping.anonymous(DATA_AT + DATA_BYTES);
            bounce = mapping;
        }
        return mapping;
    }
}
