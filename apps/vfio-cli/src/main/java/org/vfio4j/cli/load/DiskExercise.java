package org.vfio4j.cli.load;

import static org.vfio4j.sys.Errno.EIO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;

/**
 * Work for a disk, through one queue of its driver: fill it, verify it, read it at random. Each 8-byte word on the disk is a
 * mix of its own address, so that misplaced data is found as well as wrong data. Belongs to one thread.
 */
public final class DiskExercise {

    private static final int DEPTH = 32;
    private static final int PIECE_BYTES = 128 << 10;
    private static final int RANDOM_BYTES = 4096;
    private static final long PAGE_BYTES = 4096;
    private static final long WAIT_NS = 100_000_000;
    private static final int WAITS_UNTIL_GIVEN_UP = 100;
    private static final long MIX = 0x9e3779b97f4a7c15L;

    /** What a piece of work came to. */
    public record Result(long requests, long bytes, long elapsedNs) {
        public double perSecond() {
            return requests * 1e9 / elapsedNs;
        }

        public double mibPerSecond() {
            return bytes * 1e9 / elapsedNs / (1 << 20);
        }
    }

    private final VirtioBlkDriver driver;
    private final VirtioBlkQueue queue;
    private final MemorySegment[] pieces;
    private final long[] buffers;
    private final long[] at;
    private final int[] free;
    private int freeCount;
    private int failure;

    public DiskExercise(VirtioBlkDriver driver) {
        this.driver = driver;
        queue = driver.queue(0);
        int depth = Math.min(DEPTH, queue.depth());
        pieces = new MemorySegment[depth];
        buffers = new long[depth];
        at = new long[depth];
        free = new int[depth];
        for (int i = 0; i < depth; i++) {
            buffers[i] = driver.memory().allocate(PIECE_BYTES, PAGE_BYTES);
            pieces[i] = driver.memory().segment(buffers[i], PIECE_BYTES);
            free[freeCount++] = i;
        }
    }

    /** How much DMA memory an exercise needs. */
    public static long bufferBytes() {
        return (long) DEPTH * PIECE_BYTES + PAGE_BYTES;
    }

    public Result fill(LongConsumer progress) {
        long start = System.nanoTime();
        long size = driver.capacityBytes();
        for (long offset = 0; offset < size; offset += PIECE_BYTES) {
            int tag = take(false);
            int length = (int) Math.min(PIECE_BYTES, size - offset);
            paint(pieces[tag], offset, length);
            at[tag] = offset;
            queue.write(offset, buffers[tag], length, tag);
            progress.accept(offset);
        }
        drain(false);
        if (driver.info().canFlush()) {
            int tag = take(false);
            queue.flush(tag);
            drain(false);
        }
        return result(size, PIECE_BYTES, start);
    }

    /** @throws ErrnoException EIO when the disk holds something else than {@link #fill} wrote */
    public Result verify(LongConsumer progress) {
        long start = System.nanoTime();
        long size = driver.capacityBytes();
        for (long offset = 0; offset < size; offset += PIECE_BYTES) {
            int tag = take(true);
            at[tag] = offset;
            queue.read(offset, buffers[tag], (int) Math.min(PIECE_BYTES, size - offset), tag);
            progress.accept(offset);
        }
        drain(true);
        return result(size, PIECE_BYTES, start);
    }

    /** Reads 4 KiB blocks at random for a while. */
    public Result readAtRandom(long durationNs, LongConsumer progress) {
        SplittableRandom random = new SplittableRandom(1);
        long blocks = driver.capacityBytes() / RANDOM_BYTES;
        long start = System.nanoTime();
        long requests = 0;
        for (long elapsed = 0; elapsed < durationNs; elapsed = System.nanoTime() - start) {
            progress.accept(elapsed);
            for (int i = 0; i < 1024; i++) {
                int tag = take(false);
                queue.read(random.nextLong(blocks) * RANDOM_BYTES, buffers[tag], RANDOM_BYTES, tag);
                requests++;
            }
        }
        drain(false);
        return new Result(requests, requests * RANDOM_BYTES, System.nanoTime() - start);
    }

    private Result result(long bytes, int pieceBytes, long startNs) {
        return new Result((bytes + pieceBytes - 1) / pieceBytes, bytes, System.nanoTime() - startNs);
    }

    private int take(boolean verify) {
        while (freeCount == 0) {
            collect(verify);
        }
        return free[--freeCount];
    }

    private void drain(boolean verify) {
        while (freeCount < free.length) {
            collect(verify);
        }
        if (failure != 0) {
            throw new ErrnoException(-failure, "the disk failed a request");
        }
    }

    /** Shows the device what was made since the last time, and takes what has completed: at least one. */
    private void collect(boolean verify) {
        queue.kick();
        int waits = 0;
        while (queue.poll((tag, status) -> completed(tag, status, verify)) == 0) {
            if (!queue.await(WAIT_NS)) {
                driver.check();
                if (++waits == WAITS_UNTIL_GIVEN_UP) {
                    throw new ErrnoException(EIO, "the disk completes nothing for 10 s");
                }
            }
        }
    }

    private void completed(int tag, int status, boolean verify) {
        if (status != 0) {
            failure = status;
        } else if (verify) {
            check(pieces[tag], at[tag], (int) Math.min(PIECE_BYTES, driver.capacityBytes() - at[tag]));
        }
        free[freeCount++] = tag;
    }

    private static void paint(MemorySegment piece, long offset, int length) {
        for (int i = 0; i < length; i += Long.BYTES) {
            piece.set(ValueLayout.JAVA_LONG, i, (offset + i) * MIX);
        }
    }

    private static void check(MemorySegment piece, long offset, int length) {
        for (int i = 0; i < length; i += Long.BYTES) {
            if (piece.get(ValueLayout.JAVA_LONG, i) != (offset + i) * MIX) {
                throw new ErrnoException(EIO, "wrong data at byte " + (offset + i) + " of the disk");
            }
        }
    }
}
