package org.vfio4j.avfdriver;

import org.vfio4j.sys.RawMemory;

/**
 * A transmit or receive ring of a test's driver, with a buffer for each descriptor. Allocates nothing in its {@code try...}
 * methods. Used by one thread.
 */
public final class AvfRing {

    public static final int MAX_FRAME = 9728;

    public static final int TX_EOP = 1;
    public static final int TX_RS = 2;
    public static final int TX_IPV6 = 0x20;
    public static final int TX_IPV4 = 0x40;
    public static final int TX_IPV4_CSUM = 0x60;
    public static final int TX_TCP = 0x100;
    public static final int TX_SCTP = 0x200;
    public static final int TX_UDP = 0x300;
    public static final int DTYPE_CONTEXT = 1;
    public static final int DTYPE_DONE = 0xf;

    private static final int TX_BYTES = 16;
    private static final int RX_BYTES = 32;
    private static final int QTX_TAIL = 0;
    private static final int QRX_TAIL = 0x2000;

    private final AvfDriver driver;
    private final boolean transmit;
    private final int queue;
    private final int count;
    private final int bufferBytes;
    private final long iova;
    private final long buffers;
    private int next;
    private int clean;

    private AvfRing(AvfDriver driver, boolean transmit, int queue, int count, int bufferBytes) {
        this.driver = driver;
        this.transmit = transmit;
        this.queue = queue;
        this.count = count;
        this.bufferBytes = bufferBytes;
        iova = driver.aligned((long) count * descriptorBytes());
        buffers = driver.aligned((long) count * bufferBytes);
        driver.memory().fill(iova, (long) count * descriptorBytes(), 0);
    }

    /** @param bufferBytes how long a frame {@link #trySend} can send */
    public static AvfRing transmit(AvfDriver driver, int queue, int count, int bufferBytes) {
        return new AvfRing(driver, true, queue, count, bufferBytes);
    }

    /** A ring all of whose buffers but one are free. */
    public static AvfRing receive(AvfDriver driver, int queue, int count, int bufferBytes) {
        AvfRing ring = new AvfRing(driver, false, queue, count, bufferBytes);
        for (int i = 0; i < count; i++) {
            ring.postBuffer(i);
        }
        ring.next = count - 1;
        ring.tell();
        return ring;
    }

    public int queue() {
        return queue;
    }

    public int count() {
        return count;
    }

    public int bufferBytes() {
        return bufferBytes;
    }

    public long iova() {
        return iova;
    }

    /** The next descriptor that the driver writes. */
    public int next() {
        return next;
    }

    /** The buffer of a descriptor. */
    public long buffer(int index) {
        return buffers + (long) index * bufferBytes;
    }

    public static long data(int command, int macLength, int ipLength, int l4Length, int bytes) {
        return (long) command << 4
                | (long) (macLength / 2) << 16
                | (long) (ipLength / 4) << 23
                | (long) (l4Length / 4) << 30
                | (long) bytes << 34;
    }

    /** A context descriptor's second word, for TCP segments of {@code mss} bytes. */
    public static long segmentation(int payload, int mss) {
        return DTYPE_CONTEXT | 1L << 4 | (long) payload << 30 | (long) mss << 50;
    }

    /** Writes a transmit descriptor, and does not tell. */
    public void put(long address, long qw1) {
        long at = descriptor(next);
        RawMemory.putLong(at, address);
        RawMemory.putLong(at + Long.BYTES, qw1);
        next = (next + 1) % count;
    }

    /** Writes the tail register. */
    public void tell() {
        driver.registers().write((transmit ? QTX_TAIL : QRX_TAIL) + Integer.BYTES * queue, next);
    }

    /** Sends a frame in one buffer, if the ring has a place, and tells. Returns whether it had. */
    public boolean trySend(byte[] frame) {
        return trySend(frame, TX_EOP | TX_RS, 0, 0, 0);
    }

    public boolean trySend(byte[] frame, int command, int macLength, int ipLength, int l4Length) {
        reclaim();
        if ((next + 1) % count == clean) {
            return false;
        }
        long buffer = buffer(next);
        driver.memory().put(buffer, frame);
        put(buffer, data(command, macLength, ipLength, l4Length, frame.length));
        tell();
        return true;
    }

    public void send(byte[] frame) {
        AvfDriver.await("a place in the transmit ring", () -> trySend(frame));
    }

    /** How many packets' descriptors are not done: all that end in one with RS. */
    public int pending() {
        reclaim();
        return (next - clean + count) % count;
    }

    /** Waits until all that was sent is done. */
    public void awaitSent() {
        AvfDriver.await("everything in the transmit ring", () -> pending() == 0);
    }

    public boolean isDone(int index) {
        return transmit
                ? (RawMemory.getLongAcquire(descriptor(index) + Long.BYTES) & 0xf) == DTYPE_DONE
                : (RawMemory.getLongAcquire(descriptor(index) + Long.BYTES) & 1) != 0;
    }

    public boolean hasFrame() {
        return isDone(clean);
    }

    /** How many buffers from the next one on have a frame, or a part of one. */
    public int arrived() {
        int done = 0;
        while (done < count && isDone((clean + done) % count)) {
            done++;
        }
        return done;
    }

    /** The next frame that has come, from as many buffers as it takes; waits for it. Gives the buffers back. */
    public byte[] receive() {
        AvfDriver.await("a frame in the receive ring", this::hasFrame);
        byte[] frame = new byte[0];
        boolean last;
        do {
            long qw1 = RawMemory.getLong(descriptor(clean) + Long.BYTES);
            int bytes = (int) (qw1 >>> 38) & 0x3fff;
            byte[] piece = driver.memory().get(buffer(clean), bytes);
            frame = java.util.Arrays.copyOf(frame, frame.length + bytes);
            System.arraycopy(piece, 0, frame, frame.length - bytes, bytes);
            last = (qw1 & 2) != 0;
            drop();
        } while (!last);
        tell();
        return frame;
    }

    /** Gives the first buffer back as it is. Does not tell. */
    public void drop() {
        postBuffer(clean);
        next = clean;
        clean = (clean + 1) % count;
    }

    /** First bytes of the next frame, which has come, as a number. */
    public int peek(int offset) {
        return RawMemory.getInt(driver.memory().host(buffer(clean)) + offset);
    }

    private void reclaim() {
        int last = clean;
        for (int at = clean; at != next; at = (at + 1) % count) {
            if (isDone(at)) {
                last = (at + 1) % count;
            }
        }
        clean = last;
    }

    private void postBuffer(int index) {
        long at = descriptor(index);
        RawMemory.putLong(at, buffer(index));
        RawMemory.putLong(at + 8, 0);
        RawMemory.putLong(at + 16, 0);
        RawMemory.putLong(at + 24, 0);
    }

    private long descriptor(int index) {
        return driver.memory().host(iova + (long) index * descriptorBytes());
    }

    private int descriptorBytes() {
        return transmit ? TX_BYTES : RX_BYTES;
    }
}
