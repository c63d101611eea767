package org.vfio4j.sys;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The process's memory by address, for memory whose life is governed by something else than an arena: guest memory behind safe
 * points, rings shared with the kernel. Values are in the machine's byte order, which is little-endian on all machines that
 * vfio4j runs on. A wrong address ends the process: callers check addresses before they come here.
 */
public final class RawMemory {

    // SAFETY: spans the whole address space on purpose. Whoever passes an address vouches for it.
    private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    // Acquire and release need natural alignment, or the access would not be atomic.
    private static final VarHandle ATOMIC_SHORT = ValueLayout.JAVA_SHORT.varHandle();
    private static final VarHandle ATOMIC_INT = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle ATOMIC_LONG = ValueLayout.JAVA_LONG.varHandle();

    private RawMemory() {}

    public static byte getByte(long address) {
        return ALL.get(ValueLayout.JAVA_BYTE, address);
    }

    public static short getShort(long address) {
        return ALL.get(SHORT, address);
    }

    public static int getInt(long address) {
        return ALL.get(INT, address);
    }

    public static long getLong(long address) {
        return ALL.get(LONG, address);
    }

    public static void putByte(long address, byte value) {
        ALL.set(ValueLayout.JAVA_BYTE, address, value);
    }

    public static void putShort(long address, short value) {
        ALL.set(SHORT, address, value);
    }

    public static void putInt(long address, int value) {
        ALL.set(INT, address, value);
    }

    public static void putLong(long address, long value) {
        ALL.set(LONG, address, value);
    }

    /** @param address a multiple of 2 */
    public static short getShortAcquire(long address) {
        return (short) ATOMIC_SHORT.getAcquire(ALL, address);
    }

    /** @param address a multiple of 2 */
    public static void putShortRelease(long address, short value) {
        ATOMIC_SHORT.setRelease(ALL, address, value);
    }

    /** @param address a multiple of 4 */
    public static int getIntAcquire(long address) {
        return (int) ATOMIC_INT.getAcquire(ALL, address);
    }

    /** @param address a multiple of 4 */
    public static void putIntRelease(long address, int value) {
        ATOMIC_INT.setRelease(ALL, address, value);
    }

    /** @param address a multiple of 8 */
    public static long getLongAcquire(long address) {
        return (long) ATOMIC_LONG.getAcquire(ALL, address);
    }

    /** @param address a multiple of 8 */
    public static void putLongRelease(long address, long value) {
        ATOMIC_LONG.setRelease(ALL, address, value);
    }

    /** Orders all accesses before it against all after it, stores against later loads included. */
    public static void fullFence() {
        VarHandle.fullFence();
    }

    /** Orders the stores before it against the stores after it: whoever sees one of these has all of those. */
    public static void storeFence() {
        VarHandle.storeStoreFence();
    }

    /** Copies {@code length} bytes; the ranges may overlap. */
    public static void copy(long source, long destination, long length) {
        MemorySegment.copy(ALL, source, ALL, destination, length);
    }

    /** Copies {@code length} bytes from memory to an array. */
    public static void get(long source, byte[] to, int offset, int length) {
        MemorySegment.copy(ALL, ValueLayout.JAVA_BYTE, source, to, offset, length);
    }

    /** Copies {@code length} bytes from an array to memory. */
    public static void put(long destination, byte[] from, int offset, int length) {
        MemorySegment.copy(from, offset, ALL, ValueLayout.JAVA_BYTE, destination, length);
    }

    /** Sets {@code length} bytes to {@code value}. */
    public static void fill(long address, long length, byte value) {
        ALL.asSlice(address, length).fill(value);
    }

    /** A view of {@code length} bytes. */
    public static MemorySegment segment(long address, long length) {
        return ALL.asSlice(address, length);
    }
}
