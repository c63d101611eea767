package org.vfio4j.bus;

/**
 * A range of addresses out of which BARs get theirs, from its start on. What was given is not taken back. Belongs to its
 * {@link BarAllocator}.
 */
final class AddressWindow {

    /** Of a bridge's windows for memory: the low 20 bits of their limits are not in a register. */
    static final long GRANULE = 1L << 20;

    /** How many bridges find room in a window, itself apart. */
    private static final int SHARES = 8;

    private final long start;
    private final long limit;
    private long next;

    /** @param limit the first address behind it */
    AddressWindow(long start, long limit) {
        this.start = start;
        this.limit = limit;
        next = start;
    }

    static AddressWindow none() {
        return new AddressWindow(0, 0);
    }

    long start() {
        return start;
    }

    long limit() {
        return limit;
    }

    boolean isEmpty() {
        return start == limit;
    }

    /**
     * Takes {@code count} times {@code size} bytes in a row.
     *
     * @param size a power of two, to which they are aligned
     * @param count below 2^17
     * @return their start, or -1 when there is no room
     */
    long take(long size, int count) {
        // Nothing overflows: the size is looked at first, and the largest window has 46 bits.
        long from = next + size - 1 & -size;
        if (size > limit || from > limit - size * count) {
            return -1;
        }
        next = from + size * count;
        return from;
    }

    /** A share of this window for a bridge; an empty one when there is no room. */
    AddressWindow share() {
        long size = Long.highestOneBit((limit - start) / SHARES);
        long from = size < GRANULE ? -1 : take(size, 1);
        return from < 0 ? none() : new AddressWindow(from, from + size);
    }
}
