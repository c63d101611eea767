package org.vfio4j.vfiopcix86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** Accesses of any size as natural little-endian ones of 4, 2 and 1 bytes. Stateless. */
final class Pieces {

    private Pieces() {}

    /** The widest access at {@code offset} that is aligned and no longer than {@code left}, which is at least 1. */
    static int widthAt(long offset, int left) {
        if ((offset & 3) == 0 && left >= 4) {
            return 4;
        }
        return (offset & 1) == 0 && left >= 2 ? 2 : 1;
    }

    static int get(MemorySegment buffer, long at, int width) {
        return switch (width) {
            case 1 -> Byte.toUnsignedInt(buffer.get(JAVA_BYTE, at));
            case 2 -> Short.toUnsignedInt(buffer.get(JAVA_SHORT_UNALIGNED, at));
            default -> buffer.get(JAVA_INT_UNALIGNED, at);
        };
    }

    static void put(MemorySegment buffer, long at, int width, int value) {
        switch (width) {
            case 1 -> buffer.set(JAVA_BYTE, at, (byte) value);
            case 2 -> buffer.set(JAVA_SHORT_UNALIGNED, at, (short) value);
            default -> buffer.set(JAVA_INT_UNALIGNED, at, value);
        }
    }
}
