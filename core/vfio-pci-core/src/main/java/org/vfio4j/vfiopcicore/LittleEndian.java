package org.vfio4j.vfiopcicore;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** Numbers of 1, 2, 4 and 8 bytes in byte arrays and memory, little-endian as PCI is. Stateless; allocates nothing. */
final class LittleEndian {

    private static final VarHandle SHORTS = MethodHandles.byteArrayViewVarHandle(short[].class, LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, LITTLE_ENDIAN);

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);

    private LittleEndian() {}

    /** Zero-extended. */
    static int get(byte[] bytes, int offset, int width) {
        return switch (width) {
            case 1 -> bytes[offset] & 0xff;
            case 2 -> (short) SHORTS.get(bytes, offset) & 0xffff;
            case 4 -> (int) INTS.get(bytes, offset);
            default -> throw badWidth(width);
        };
    }

    static void put(byte[] bytes, int offset, int width, int value) {
        switch (width) {
            case 1 -> bytes[offset] = (byte) value;
            case 2 -> SHORTS.set(bytes, offset, (short) value);
            case 4 -> INTS.set(bytes, offset, value);
            default -> throw badWidth(width);
        }
    }

    /** Zero-extended. */
    static long get(MemorySegment memory, long at, int width) {
        return switch (width) {
            case 1 -> memory.get(ValueLayout.JAVA_BYTE, at) & 0xffL;
            case 2 -> memory.get(SHORT, at) & 0xffffL;
            case 4 -> memory.get(INT, at) & 0xffff_ffffL;
            case 8 -> memory.get(LONG, at);
            default -> throw badWidth(width);
        };
    }

    static void put(MemorySegment memory, long at, int width, long value) {
        switch (width) {
            case 1 -> memory.set(ValueLayout.JAVA_BYTE, at, (byte) value);
            case 2 -> memory.set(SHORT, at, (short) value);
            case 4 -> memory.set(INT, at, (int) value);
            case 8 -> memory.set(LONG, at, value);
            default -> throw badWidth(width);
        }
    }

    /** The width of the first natural access of a range: the largest that is aligned, fits, and is no wider than {@code max}. */
    static int firstWidth(long offset, int count, int max) {
        int width = max;
        while (width > count || (offset & (width - 1)) != 0) {
            width >>= 1;
        }
        return width;
    }

    /** All ones in {@code width} bytes, 4 at most. */
    static int ones(int width) {
        return width == 4 ? -1 : (1 << (width * 8)) - 1;
    }

    /** {@code value} where {@code mask} has ones, {@code old} elsewhere. */
    static int merge(int old, int mask, int value) {
        return (old & ~mask) | (value & mask);
    }

    private static IllegalArgumentException badWidth(int width) {
        return new IllegalArgumentException("access width " + width);
    }
}
