package org.vfio4j.i40evf;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * Frames on their way from one port to one other: a ring of bytes with one producer, the sender's queue thread, and one consumer,
 * the receiver's. Neither waits and neither allocates, but for the ring itself at its first use.
 *
 * <p>A frame lies in one piece behind its length, on a boundary of 8 bytes. What does not fit before the end of the ring begins
 * anew at its start, behind the mark {@link #SKIP}.
 */
final class FrameRing {

    static final int BYTES = 1 << 19;

    /** No packet may become more than this, so that it fits even when the end of the ring is skipped. */
    static final int MAX_PACKET_BYTES = BYTES / 2;

    private static final int LENGTH_BYTES = Integer.BYTES;
    private static final int ALIGNMENT = 8;
    private static final int SKIP = -1;
    private static final VarHandle TAIL;
    private static final VarHandle HEAD;

    static {
        try {
            TAIL = MethodHandles.lookup().findVarHandle(FrameRing.class, "tail", long.class);
            HEAD = MethodHandles.lookup().findVarHandle(FrameRing.class, "head", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private byte @Nullable [] bytes;

    // Positions that only grow; each has one writer.
    private long tail;
    private long head;

    // The producer's: since when it has been waiting for room, 0 while it is not.
    private long fullSinceNs;

    /** What a frame takes in the ring. */
    static int sizeOf(int frameBytes) {
        return (LENGTH_BYTES + frameBytes + ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** The producer asks: whether frames whose sizes add up to {@code size} fit, the longest of them at the ring's end. */
    boolean hasRoom(int size, int longest) {
        long free = BYTES - (tail - (long) HEAD.getAcquire(this));
        return free >= size + longest;
    }

    /** The producer's: since when there was no room, by {@link System#nanoTime}; 0 for never. */
    long fullSinceNs() {
        return fullSinceNs;
    }

    void setFullSinceNs(long time) {
        fullSinceNs = time;
    }

    /** The producer adds a frame, which must have room. */
    void put(byte[] from, int offset, int length) {
        byte[] ring = bytes;
        if (ring == null) {
            ring = new byte[BYTES];
            bytes = ring;
        }
        int size = sizeOf(length);
        int at = (int) (tail & (BYTES - 1));
        long start = tail;
        if (at + size > BYTES) {
            LittleEndian.put32(ring, at, SKIP);
            start += BYTES - at;
            at = 0;
        }
        LittleEndian.put32(ring, at, length);
        System.arraycopy(from, offset, ring, at + LENGTH_BYTES, length);
        TAIL.setRelease(this, start + size);
    }

    /** The consumer asks for the first frame: its length, or 0 when there is none. */
    int firstLength() {
        long end = (long) TAIL.getAcquire(this);
        byte[] ring = bytes;
        if (end == head || ring == null) {
            return 0;
        }
        int at = (int) (head & (BYTES - 1));
        int length = LittleEndian.i32(ring, at);
        if (length == SKIP) {
            HEAD.setRelease(this, head + BYTES - at);
            return LittleEndian.i32(ring, 0);
        }
        return length;
    }

    /** The array that holds the first frame, when {@link #firstLength} has found one. */
    byte[] array() {
        byte[] ring = bytes;
        return ring == null ? new byte[0] : ring;
    }

    /** Where in {@link #array} the first frame is, after {@link #firstLength}. */
    int firstOffset() {
        return (int) (head & (BYTES - 1)) + LENGTH_BYTES;
    }

    /** The consumer is done with the first frame, which {@link #firstLength} has found. */
    void removeFirst(int length) {
        HEAD.setRelease(this, head + sizeOf(length));
    }

    /** The consumer drops everything. */
    void clear() {
        HEAD.setRelease(this, (long) TAIL.getAcquire(this));
    }
}
