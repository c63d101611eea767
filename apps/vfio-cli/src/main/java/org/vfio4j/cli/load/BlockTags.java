package org.vfio4j.cli.load;

import static org.vfio4j.sys.Errno.EIO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import org.vfio4j.sys.ErrnoException;

/**
 * Knows what every block of a part of a disk must hold, so that reads can be checked. A block says where it belongs and which of the
 * block's writes it is; each word after that is mixed from both and its own place, so that stale, misplaced and torn data are found.
 * A block is in one request at a time. Belongs to one thread; checking allocates nothing.
 */
public final class BlockTags {

    /** More are left alone: each costs memory here. */
    public static final int MAX_BLOCKS = 1 << 24;

    private static final long MIX = 0x9e3779b97f4a7c15L;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final long HEADER_BYTES = 2L * Long.BYTES;

    /** By block: how often this run has written it; what it held before that is unknown. */
    private final int[] generations;

    private final BitSet busy;
    private final long firstOffset;
    private final int blockBytes;

    BlockTags(long firstOffset, int blocks, int blockBytes) {
        this.firstOffset = firstOffset;
        this.blockBytes = blockBytes;
        generations = new int[blocks];
        busy = new BitSet(blocks);
    }

    /** Takes a block for a request. Returns whether it is in none. */
    boolean take(long block) {
        int index = (int) block;
        if (busy.get(index)) {
            return false;
        }
        busy.set(index);
        return true;
    }

    /** Fills a buffer with what the next write of a block puts there. */
    void paint(MemorySegment buffer, long block) {
        long offset = offset(block);
        long generation = generations[(int) block] + 1L;
        buffer.set(LONG, 0, offset);
        buffer.set(LONG, Long.BYTES, generation);
        long mixed = (offset * MIX) ^ (generation << 1);
        for (long at = HEADER_BYTES; at < blockBytes; at += Long.BYTES) {
            buffer.set(LONG, at, (mixed + at) * MIX);
        }
    }

    void written(long block) {
        generations[(int) block]++;
        busy.clear((int) block);
    }

    /**
     * Checks what was read, unless this run has never written it.
     *
     * @throws ErrnoException EIO when it is something else than was written last
     */
    void read(MemorySegment buffer, long block) {
        busy.clear((int) block);
        long generation = generations[(int) block];
        if (generation == 0) {
            return;
        }
        long offset = offset(block);
        if (buffer.get(LONG, 0) != offset || buffer.get(LONG, Long.BYTES) != generation) {
            throw new ErrnoException(
                    EIO,
                    "wrong data at byte " + offset + ": write " + buffer.get(LONG, Long.BYTES) + " of byte "
                            + buffer.get(LONG, 0) + " instead of write " + generation);
        }
        long mixed = (offset * MIX) ^ (generation << 1);
        for (long at = HEADER_BYTES; at < blockBytes; at += Long.BYTES) {
            if (buffer.get(LONG, at) != (mixed + at) * MIX) {
                throw new ErrnoException(
                        EIO, "torn data at byte " + (offset + at) + ": not all of write " + generation + " is there");
            }
        }
    }

    private long offset(long block) {
        return firstOffset + block * blockBytes;
    }
}
