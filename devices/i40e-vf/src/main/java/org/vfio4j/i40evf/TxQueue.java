package org.vfio4j.i40evf;

import static org.vfio4j.i40evf.TxDescriptor.*;

import org.vfio4j.bus.DmaWindow;

/**
 * A transmit queue: takes packets from the driver's ring to the link. Belongs to the queue thread; allocates nothing.
 *
 * <p>A packet is in the ring until it has been given to every port that wants it: one that has to wait is read anew later.
 */
final class TxQueue {

    /** {@link #poll}: a packet has to wait for its receiver, or the driver's memory for whoever holds it. */
    static final int LATER = -1;

    /** {@link #poll}: the driver has put something into the ring that makes no sense. */
    static final int FAULT = -2;

    static final int MAX_RING = 8160;
    static final int RING_MULTIPLE = 8;

    /** Hardware takes 8 for each frame; a packet that becomes many frames may have more. */
    private static final int MAX_DESCRIPTORS = 128;

    private static final int NEXT = 0;
    private static final int NOT_YET = 1;

    private final GuestDma dma;
    private final TxPacket packet;
    private final VfCounters counters;
    private final byte[] descriptor = new byte[BYTES];
    private final int[] reported = new int[MAX_DESCRIPTORS];

    long ring;
    int count;
    int head;
    int vector;
    boolean enabled;

    private int end;
    private int reports;
    private boolean interrupts;

    TxQueue(GuestDma dma, TxPacket packet, VfCounters counters) {
        this.dma = dma;
        this.packet = packet;
        this.counters = counters;
        reset();
    }

    void reset() {
        ring = 0;
        count = 0;
        head = 0;
        vector = VfConfig.NO_VECTOR;
        enabled = false;
    }

    void load(VfState.Tx state) {
        ring = state.ring();
        count = state.count();
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

    /**
     * Sends what is in the ring.
     *
     * @param tail the driver's
     * @param limit how many packets at most
     * @return how many packets were taken, or {@link #LATER} or {@link #FAULT} when none was
     */
    int poll(DmaWindow window, NetworkPort port, int tail, int limit) {
        if (tail < 0 || tail >= count) {
            return FAULT;
        }
        int taken = 0;
        while (taken < limit && head != tail) {
            int result = gather(window, tail);
            if (result == NOT_YET) {
                break;
            }
            if (result == NEXT) {
                result = send(port) ? writeBack(window) : LATER;
            }
            if (result < 0) {
                return taken > 0 && result == LATER ? taken : result;
            }
            head = end;
            taken++;
        }
        return taken;
    }

    /** Reads the first packet of the ring. Returns NEXT, NOT_YET when its end is not there, LATER or FAULT. */
    private int gather(DmaWindow window, int tail) {
        packet.begin();
        reports = 0;
        int at = head;
        for (int i = 0; i < MAX_DESCRIPTORS && at != tail; i++) {
            int result = dma.read(window, ring + (long) at * BYTES, descriptor, 0, BYTES);
            if (result < 0) {
                return failure(result);
            }
            long address = LittleEndian.i64(descriptor, 0);
            long qw1 = LittleEndian.i64(descriptor, Long.BYTES);
            result = dtype(qw1) == DTYPE_DATA ? addData(window, address, qw1) : addContext(qw1);
            if (result < 0) {
                return result;
            }
            if ((command(qw1) & CMD_RS) != 0 && dtype(qw1) == DTYPE_DATA) {
                reported[reports++] = at;
            }
            at = at + 1 == count ? 0 : at + 1;
            if (dtype(qw1) == DTYPE_DATA && (command(qw1) & CMD_EOP) != 0) {
                end = at;
                return NEXT;
            }
        }
        return at == tail ? NOT_YET : FAULT;
    }

    private int addData(DmaWindow window, long address, long qw1) {
        int bytes = bufferBytes(qw1);
        if ((command(qw1) & CMD_IL2TAG1) != 0 || !packet.hasRoomFor(bytes)) {
            return FAULT;
        }
        int result = dma.read(window, address, packet.bytes(), packet.length(), bytes);
        if (result < 0) {
            return failure(result);
        }
        packet.added(qw1, bytes);
        return NEXT;
    }

    private int addContext(long qw1) {
        if (dtype(qw1) != DTYPE_CONTEXT || (contextCommand(qw1) & CTX_CMD_UNSUPPORTED) != 0) {
            return FAULT;
        }
        if ((contextCommand(qw1) & CTX_CMD_TSO) != 0) {
            packet.segment(mss(qw1));
        }
        return NEXT;
    }

    /** Gives the packet to the link. Returns false when it has to wait. */
    private boolean send(NetworkPort port) {
        int frames = packet.frames();
        int size = frames == 0 ? 0 : packet.ringBytes(frames);
        if (frames == 0 || size > FrameRing.MAX_PACKET_BYTES) {
            counters.add(VfCounters.TX_ERRORS, 1);
            return true;
        }
        long destination = MacFilters.address(packet.bytes(), 0);
        int verdict;
        try {
            verdict = port.admit(destination, size, packet.longestRingBytes());
            if (verdict == NetworkPort.ADMITTED) {
                put(port, frames);
            }
        } finally {
            port.end();
        }
        if (verdict == NetworkPort.WAIT) {
            return false;
        }
        counters.add(VfCounters.TX_DISCARDS, port.stalled());
        counters.sent(destination, packet.length());
        return true;
    }

    private void put(NetworkPort port, int frames) {
        if (!packet.isCut()) {
            packet.finish();
            port.put(packet.bytes(), 0, packet.length());
            return;
        }
        for (int i = 0; i < frames; i++) {
            int length = packet.cut(i);
            port.put(packet.segment(), 0, length);
        }
    }

    private int writeBack(DmaWindow window) {
        for (int i = 0; i < reports; i++) {
            int result = dma.publish(window, ring + (long) reported[i] * BYTES + Long.BYTES, DTYPE_DESC_DONE);
            if (result < 0) {
                // The packet is sent; if it cannot be said so, the ring is of no more use.
                return FAULT;
            }
            interrupts = true;
        }
        return NEXT;
    }

    /** Memory that is not there is the driver's mistake; memory that its owner does not give just now is not. */
    private static int failure(int errno) {
        return DmaWindow.isFault(errno) ? FAULT : LATER;
    }
}
