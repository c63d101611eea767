package org.vfio4j.nvme;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** The Timestamp feature (Base 5.27.1.11): milliseconds since the driver said what time it is. Belongs to the queue thread. */
final class Timestamp {

    private static final long MASK = (1L << 48) - 1;

    /** Attributes, bits 55:48: the driver has set it, in bits 3:1. */
    private static final long ORIGIN_HOST = 1L << 49;

    /** Attributes: it may have stood still. */
    private static final long STOPPED = 1L << 48;

    private final LongSupplier nanoTime;
    private long base;
    private long baseNanos;
    private long attributes;

    Timestamp(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
        baseNanos = nanoTime.getAsLong();
    }

    /** The structure of 8 bytes that Set Features gives. */
    void set(ByteBuffer structure) {
        base = structure.getLong(0) & MASK;
        baseNanos = nanoTime.getAsLong();
        attributes = ORIGIN_HOST;
    }

    /** The structure of 8 bytes that Get Features wants. */
    ByteBuffer get() {
        return Bytes.structure(Long.BYTES).putLong(0, save());
    }

    /** As {@link #get}, in a number. */
    long save() {
        long now = base + TimeUnit.NANOSECONDS.toMillis(nanoTime.getAsLong() - baseNanos);
        return (now & MASK) | attributes;
    }

    /** Goes on from another controller's, who has not counted the time since. */
    void load(long saved) {
        base = saved & MASK;
        baseNanos = nanoTime.getAsLong();
        attributes = (saved & ORIGIN_HOST) | STOPPED;
    }
}
