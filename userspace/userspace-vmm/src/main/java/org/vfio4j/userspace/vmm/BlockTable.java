package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.sys.Errno.EIO;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * How often each of many equal blocks was written, from which follows what it has to hold: its number, which write it was, and words mixed
 * from both and their own place, so that what is stale, misplaced or torn is found. The table lies in the guest's memory, and moves
 * with it. Belongs to one thread; allocates nothing.
 */
final class BlockTable {

    private static final long MIX = 0x9e3779b97f4a7c15L;
    private static final int HEADER_BYTES = 2 * Long.BYTES;

    private final String what;
    private final GuestMemory memory;
    private final long iova;
    private final MemorySegment counts;

    /**
     * @param what a block is, for messages
     * @param iova where in {@code memory} there are four bytes for each block
     */
    BlockTable(String what, GuestMemory memory, long iova, long blocks) {
        this.what = what;
        this.memory = memory;
        this.iova = iova;
        counts = memory.segment(iova, blocks * Integer.BYTES);
    }

    boolean isWritten(long block) {
        return count(block) != 0;
    }

    /** Fills {@code data} with what the next write of a block puts there. */
    void paint(MemorySegment data, long block, int step) {
        long write = count(block) + 1L;
        data.set(JAVA_LONG_UNALIGNED, 0, block);
        data.set(JAVA_LONG_UNALIGNED, Long.BYTES, write);
        long mixed = mixed(block, write);
        for (long at = HEADER_BYTES; at < data.byteSize(); at += step) {
            data.set(JAVA_LONG_UNALIGNED, at, (mixed + at) * MIX);
        }
    }

    /** That write has been done. */
    void written(long block) {
        counts.set(JAVA_INT, block * Integer.BYTES, count(block) + 1);
        memory.written(iova + block * Integer.BYTES, Integer.BYTES);
    }

    /** @throws ErrnoException EIO when {@code data} is not what was written last, unless that is nothing */
    void check(MemorySegment data, long block, int step) {
        long write = Integer.toUnsignedLong(count(block));
        if (write == 0) {
            return;
        }
        long foundBlock = data.get(JAVA_LONG_UNALIGNED, 0);
        long foundWrite = data.get(JAVA_LONG_UNALIGNED, Long.BYTES);
        if (foundBlock != block || foundWrite != write) {
            throw new ErrnoException(
                    EIO,
                    what + " " + block + " has write " + foundWrite + " of " + foundBlock + " instead of its write "
                            + write);
        }
        long mixed = mixed(block, write);
        for (long at = HEADER_BYTES; at < data.byteSize(); at += step) {
            if (data.get(JAVA_LONG_UNALIGNED, at) != (mixed + at) * MIX) {
                throw new ErrnoException(EIO, what + " " + block + " has not all of write " + write + " at byte " + at);
            }
        }
    }

    private int count(long block) {
        return counts.get(JAVA_INT, block * Integer.BYTES);
    }

    private static long mixed(long block, long write) {
        return (block * MIX) ^ (write << 1);
    }
}
