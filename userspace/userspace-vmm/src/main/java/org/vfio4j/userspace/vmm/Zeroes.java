package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Whether memory is zero, which need not be sent. */
final class Zeroes {

    private static final long PIECE = 64 << 10;
    private static final MemorySegment ZEROES = Arena.global().allocate(PIECE, Long.BYTES);

    private Zeroes() {}

    /** Whether a range, of 8 bytes or more, has nothing but zeroes. */
    static boolean fill(MemorySegment memory, long at, long length) {
        // Most memory that is not zero begins with something else.
        if (memory.get(JAVA_LONG_UNALIGNED, at) != 0) {
            return false;
        }
        for (long done = 0; done < length; done += PIECE) {
            long count = Math.min(PIECE, length - done);
            long from = at + done;
            if (MemorySegment.mismatch(memory, from, from + count, ZEROES, 0, count) >= 0) {
                return false;
            }
        }
        return true;
    }
}
