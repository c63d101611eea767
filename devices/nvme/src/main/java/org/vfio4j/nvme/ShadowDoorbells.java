package org.vfio4j.nvme;

import java.util.Arrays;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/**
 * The shadow doorbells and event indices of Doorbell Buffer Config (NVM Express Base 2.0, 5.8 and B.5), in the driver's memory: it
 * writes its doorbells there, and rings only when one passes the index that the controller has left. Those of the admin queues are
 * not used. Belongs to the queue thread.
 *
 * <p>Once they are configured an I/O queue's doorbell itself is only a knock: its value may be older than the shadow's.
 */
final class ShadowDoorbells {

    private static final int UNKNOWN = -1;

    private final int bytes;
    private boolean configured;
    private long shadowIova;
    private long eventIova;
    private long shadow;
    private long events;
    private boolean located;

    /** The event indices as they were left, or {@link #UNKNOWN}. */
    private final int[] left;

    ShadowDoorbells(int queuePairs) {
        left = new int[2 * (queuePairs + 1)];
        bytes = Integer.BYTES * left.length;
        Arrays.fill(left, UNKNOWN);
    }

    boolean isConfigured() {
        return configured;
    }

    long shadowIova() {
        return shadowIova;
    }

    long eventIova() {
        return eventIova;
    }

    void configure(long shadowIova, long eventIova) {
        this.shadowIova = shadowIova;
        this.eventIova = eventIova;
        configured = true;
        located = false;
        Arrays.fill(left, UNKNOWN);
    }

    void reset() {
        configured = false;
        located = false;
    }

    void forget() {
        located = false;
    }

    boolean isLocated() {
        return located;
    }

    /** Finds both buffers. Returns false when one is not mapped: they are not reached in another way. */
    boolean locate(DmaWindow window) {
        shadow = window.translate(shadowIova, bytes, DmaSpace.READ | DmaSpace.WRITE);
        events = window.translate(eventIova, bytes, DmaSpace.WRITE);
        located = shadow > 0 && events > 0 && ((shadow | events) & (Integer.BYTES - 1)) == 0;
        return located;
    }

    /** What the driver has written. It is {@link #isLocated}. */
    int get(int doorbell) {
        return RawMemory.getIntAcquire(shadow + (long) Integer.BYTES * doorbell);
    }

    /** Where a queue stands when it gets its shadow. */
    void set(int doorbell, int value, DmaWindow window) {
        RawMemory.putIntRelease(shadow + (long) Integer.BYTES * doorbell, value);
        window.markDirty(shadowIova + (long) Integer.BYTES * doorbell, Integer.BYTES);
        setEvent(doorbell, value, window);
    }

    /** The driver is to ring when it goes on from {@code value}. */
    void setEvent(int doorbell, int value, DmaWindow window) {
        left[doorbell] = value;
        RawMemory.putIntRelease(events + (long) Integer.BYTES * doorbell, value);
        window.markDirty(eventIova + (long) Integer.BYTES * doorbell, Integer.BYTES);
    }

    /** Its index may have been set anew. */
    void forgetEvent(int doorbell) {
        left[doorbell] = UNKNOWN;
    }

    /** Whether the driver knows that it is to ring when it goes on from {@code value}. */
    boolean hasEvent(int doorbell, int value) {
        return left[doorbell] == value;
    }
}
