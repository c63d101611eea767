package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.SECTOR_SIZE;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.disk.Completion;

/**
 * A disk for those who just want its bytes: each call returns when its work is done. Large transfers go in pieces, several at a
 * time. Belongs to the thread that uses its queue, of which it is the only user.
 */
public final class VirtioBlkDisk {

    private static final int PIECES = 8;
    private static final int PIECE_BYTES = 128 << 10;
    private static final int PAGE = 4096;
    private static final long CHECK_NS = 500_000_000;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final VirtioBlkDriver driver;
    private final VirtioBlkInfo info;
    private final VirtioBlkQueue queue;
    private final long buffers;
    private final int pieceBytes;
    private final int pieces;
    private final int[] free;
    private int freeCount;

    // Of the transfer at hand; a piece is known by its number, which is the request's tag.
    private final long[] at;
    private final int[] length;
    private MemorySegment target = MemorySegment.NULL;
    private boolean reading;
    private int error;

    /** Uses queue {@code index} of {@code driver} and 1 MiB of its memory. */
    public VirtioBlkDisk(VirtioBlkDriver driver, int index) {
        this.driver = driver;
        info = driver.info();
        queue = driver.queue(index);
        pieces = Math.min(PIECES, queue.depth());
        pieceBytes = Math.min(PIECE_BYTES, info.maxTransferBytes());
        buffers = driver.memory().allocate((long) pieces * pieceBytes, PAGE);
        at = new long[pieces];
        length = new int[pieces];
        free = new int[pieces];
        for (int i = 0; i < pieces; i++) {
            free[freeCount++] = i;
        }
    }

    public VirtioBlkInfo info() {
        return info;
    }

    /**
     * Fills {@code to} from the disk.
     *
     * @param offset a multiple of 512, as is the size of {@code to}
     * @throws ErrnoException EINVAL for a range that is not in the disk; EIO when the disk fails; ETIMEDOUT
     */
    public void read(long offset, MemorySegment to) {
        transfer(offset, to, true);
    }

    /** Writes {@code from} to the disk; otherwise as {@link #read}, and EROFS when the disk is read-only. */
    public void write(long offset, MemorySegment from) {
        transfer(offset, from, false);
    }

    /** Makes what was written stable. */
    public void flush() {
        if (info.canFlush()) {
            error = 0;
            queue.flush(0);
            finish("flush");
        }
    }

    /** Gives a range up: what it reads as is undefined afterwards. */
    public void discard(long offset, long bytes) {
        info.checkRange("discard", offset, bytes, info.maxDiscardBytes() == 0 ? 0 : info.capacityBytes());
        error = 0;
        for (long done = 0, part; done < bytes; done += part) {
            part = Math.min(bytes - done, info.maxDiscardBytes());
            queue.discard(offset + done, part, 0);
            finish("discard");
        }
    }

    /** Makes a range read as zeroes. */
    public void writeZeroes(long offset, long bytes, boolean mayUnmap) {
        info.checkRange("write zeroes", offset, bytes, info.maxWriteZeroesBytes() == 0 ? 0 : info.capacityBytes());
        error = 0;
        for (long done = 0, part; done < bytes; done += part) {
            part = Math.min(bytes - done, info.maxWriteZeroesBytes());
            queue.writeZeroes(offset + done, part, mayUnmap, 0);
            finish("write zeroes");
        }
    }

    private void transfer(long offset, MemorySegment memory, boolean read) {
        String what = read ? "read" : "write";
        info.checkRange(what, offset, memory.byteSize(), Math.max(info.capacityBytes(), SECTOR_SIZE));
        if (!read) {
            info.checkWritable();
        }
        target = memory;
        reading = read;
        error = 0;
        long done = 0;
        while (error == 0 && done < memory.byteSize()) {
            if (freeCount == 0) {
                awaitSome(what);
                continue;
            }
            int piece = free[--freeCount];
            int part = (int) Math.min(memory.byteSize() - done, pieceBytes);
            at[piece] = done;
            length[piece] = part;
            long buffer = buffers + (long) piece * pieceBytes;
            if (read) {
                queue.read(offset + done, buffer, part, piece);
            } else {
                MemorySegment.copy(memory, done, driver.memory().segment(buffer, part), 0, part);
                queue.write(offset + done, buffer, part, piece);
            }
            queue.kick();
            queue.poll(this::pieceDone);
            done += part;
        }
        while (freeCount < pieces) {
            awaitSome(what);
        }
        target = MemorySegment.NULL;
        throwError(what + " of " + memory.byteSize() + " bytes at " + offset);
    }

    private void pieceDone(int piece, int result) {
        if (result != 0) {
            error = result;
        } else if (reading) {
            long buffer = buffers + (long) piece * pieceBytes;
            MemorySegment from = driver.memory().segment(buffer, length[piece]);
            MemorySegment.copy(from, 0, target, at[piece], length[piece]);
        }
        free[freeCount++] = piece;
    }

    private void awaitSome(String what) {
        await(what, this::pieceDone);
    }

    /** Completes the one request that is in flight. */
    private void finish(String what) {
        queue.kick();
        await(what, (tag, result) -> error = result);
        throwError(what);
    }

    private void await(String what, Completion handler) {
        long start = System.nanoTime();
        while (queue.poll(handler) == 0) {
            long left = PATIENCE.toNanos() - (System.nanoTime() - start);
            if (left <= 0) {
                driver.check();
                throw new ErrnoException(
                        ETIMEDOUT, what + ": the virtio disk has not answered for " + PATIENCE.toSeconds() + " s");
            }
            if (!queue.await(Math.min(left, CHECK_NS))) {
                driver.check();
            }
        }
    }

    private void throwError(String what) {
        if (error != 0) {
            throw new ErrnoException(-error, what);
        }
    }
}
