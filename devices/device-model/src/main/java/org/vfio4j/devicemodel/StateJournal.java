package org.vfio4j.devicemodel;

import java.util.Optional;
import java.util.zip.CRC32C;
import org.vfio4j.sys.RawMemory;

/**
 * The last version of a record, in memory that another process reads when this one has died: at whatever point of a write that was, what
 * was written before is still there. Any thread; one process at a time.
 *
 * <p>Two places take turns. Each is, little-endian:
 *
 * <pre>
 *    0 sequence number, 0 while it is written     8 bytes of data
 *   12 CRC-32C of all that surrounds it          16 data
 * </pre>
 */
public final class StateJournal {

    private static final int SEQUENCE = 0;
    private static final int LENGTH = 8;
    private static final int CRC = 12;
    private static final int DATA = 16;

    private final long[] places = new long[2];
    private final int capacity;
    private long sequence;

    /**
     * @param address of {@link #sizeBytes} bytes, a multiple of 8: zeroes, or what another such object has left there
     * @param capacity the most bytes of a record
     */
    public StateJournal(long address, int capacity) {
        this.capacity = capacity;
        places[0] = address;
        places[1] = address + placeBytes(capacity);
        for (long place : places) {
            if (isWhole(place)) {
                sequence = Math.max(sequence, RawMemory.getLong(place + SEQUENCE));
            }
        }
    }

    /** How much memory it takes for records of up to {@code capacity} bytes. */
    public static long sizeBytes(int capacity) {
        return 2 * placeBytes(capacity);
    }

    /** Puts a record in the place of the last one. */
    public synchronized void write(byte[] data) {
        if (data.length > capacity) {
            throw new IllegalArgumentException("a record of " + data.length + " bytes: the limit is " + capacity);
        }
        long next = sequence + 1;
        long place = place(next);
        RawMemory.putLong(place + SEQUENCE, 0);
        RawMemory.storeFence();
        RawMemory.putInt(place + LENGTH, data.length);
        RawMemory.put(place + DATA, data, 0, data.length);
        RawMemory.putInt(place + CRC, crc(next, data));
        RawMemory.storeFence();
        RawMemory.putLong(place + SEQUENCE, next);
        sequence = next;
    }

    /** The last record; empty when there is none. */
    public synchronized Optional<byte[]> read() {
        return sequence == 0 ? Optional.empty() : Optional.of(data(place(sequence)));
    }

    private long place(long number) {
        return places[(int) (number & 1)];
    }

    private boolean isWhole(long place) {
        long number = RawMemory.getLong(place + SEQUENCE);
        int length = RawMemory.getInt(place + LENGTH);
        return number > 0
                && place(number) == place
                && length >= 0
                && length <= capacity
                && RawMemory.getInt(place + CRC) == crc(number, data(place));
    }

    private static byte[] data(long place) {
        byte[] data = new byte[RawMemory.getInt(place + LENGTH)];
        RawMemory.get(place + DATA, data, 0, data.length);
        return data;
    }

    private static int crc(long number, byte[] data) {
        CRC32C crc = new CRC32C();
        for (int shift = 0; shift < Long.SIZE; shift += Byte.SIZE) {
            crc.update((int) (number >>> shift));
        }
        crc.update(data.length);
        crc.update(data, 0, data.length);
        return (int) crc.getValue();
    }

    private static long placeBytes(int capacity) {
        return (DATA + capacity + 63L) & ~63L;
    }
}
