package org.vfio4j.i40evf;

import org.vfio4j.bus.DmaWindow;

/**
 * A receive queue with descriptors of 32 bytes (X710 datasheet, 8.3.2): puts frames into the driver's buffers. Belongs to the
 * queue thread; allocates nothing.
 *
 * <p>Nothing is said of checksums, so that the driver's system checks them: what comes over the link has gone through no wire.
 */
final class RxQueue {

    /** {@link #receive}: the frame is in the driver's memory. */
    static final int RECEIVED = 0;

    /** {@link #receive}: there are no buffers for it, or it is longer than the driver wants. */
    static final int NO_ROOM = 1;

    /** {@link #receive}: the memory's owner does not give it just now; nothing has happened. */
    static final int LATER = -1;

    /** {@link #receive}: the driver has put something into the ring that makes no sense. */
    static final int FAULT = -2;

    static final int MAX_RING = 8160;
    static final int RING_MULTIPLE = 32;
    static final int MIN_BUFFER = 1024;
    static final int MAX_BUFFER = 16 * 1024 - 128;
    static final int BUFFER_MULTIPLE = 128;
    static final int MIN_MAX_PACKET = 64;
    static final int MAX_MAX_PACKET = 16 * 1024 - 1;

    static final int BYTES = 32;

    private static final int QW1 = 8;
    private static final long STATUS_DD = 1;
    private static final long STATUS_EOF = 1 << 1;
    /** A frame of which no more is known than that it is one: "MAC, PAY2". */
    private static final long PTYPE_L2 = 1L << 30;

    private static final int LENGTH_SHIFT = 38;

    private final GuestDma dma;
    private final byte[] descriptor = new byte[BYTES];

    long ring;
    int count;
    int bufferBytes;
    int maxPacket;
    int head;
    int vector;
    boolean enabled;

    private boolean interrupts;

    RxQueue(GuestDma dma) {
        this.dma = dma;
        reset();
    }

    void reset() {
        ring = 0;
        count = 0;
        bufferBytes = 0;
        maxPacket = 0;
        head = 0;
        vector = VfConfig.NO_VECTOR;
        enabled = false;
    }

    void load(VfState.Rx state) {
        ring = state.ring();
        count = state.count();
        bufferBytes = state.bufferBytes();
        maxPacket = state.maxPacket();
        head = state.head();
        vector = state.vector();
        enabled = state.enabled();
    }

    /** Whether the driver is to be told since the last call. */
    boolean takeInterrupt() {
        boolean told = interrupts;
        interrupts = false;
        return told;
    }

    /** @param tail the driver's: descriptors from the head up to this one are free */
    int receive(DmaWindow window, int tail, byte[] from, int offset, int length) {
        if (tail < 0 || tail >= count) {
            return FAULT;
        }
        int needed = (length + bufferBytes - 1) / bufferBytes;
        int free = tail >= head ? tail - head : tail - head + count;
        if (needed > free || length > maxPacket) {
            return NO_ROOM;
        }
        int result = fill(window, from, offset, length);
        if (result == 0) {
            result = writeBack(window, length);
        }
        if (result < 0) {
            return DmaWindow.isFault(result) ? FAULT : LATER;
        }
        head = (head + needed) % count;
        interrupts = true;
        return RECEIVED;
    }

    private int fill(DmaWindow window, byte[] from, int offset, int length) {
        int at = head;
        for (int done = 0; done < length; done += bufferBytes) {
            int result = dma.read(window, ring + (long) at * BYTES, descriptor, 0, Long.BYTES);
            if (result == 0) {
                int piece = Math.min(length - done, bufferBytes);
                result = dma.write(window, LittleEndian.i64(descriptor, 0), from, offset + done, piece);
            }
            if (result < 0) {
                return result;
            }
            at = at + 1 == count ? 0 : at + 1;
        }
        return 0;
    }

    /** From the last descriptor to the first, so that a driver that sees the first sees all. */
    private int writeBack(DmaWindow window, int length) {
        int pieces = (length + bufferBytes - 1) / bufferBytes;
        for (int i = pieces - 1; i >= 0; i--) {
            long at = ring + (long) ((head + i) % count) * BYTES;
            boolean last = i == pieces - 1;
            long piece = last ? length - (long) i * bufferBytes : bufferBytes;
            LittleEndian.put64(descriptor, 0, 0);
            LittleEndian.put64(descriptor, 2 * QW1, 0);
            LittleEndian.put64(descriptor, 3 * QW1, 0);
            int result = dma.write(window, at, descriptor, 0, QW1);
            if (result == 0) {
                result = dma.write(window, at + 2 * QW1, descriptor, 2 * QW1, 2 * QW1);
            }
            if (result == 0) {
                long status = STATUS_DD | (last ? STATUS_EOF : 0);
                result = dma.publish(window, at + QW1, status | PTYPE_L2 | (piece << LENGTH_SHIFT));
            }
            if (result < 0) {
                return result;
            }
        }
        return 0;
    }
}
