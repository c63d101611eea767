package org.vfio4j.virtio;

import java.util.Arrays;
import java.util.Optional;
import org.vfio4j.sys.RawMemory;

/**
 * Which chains of a queue have been taken and not been answered, in memory that outlives the process. Belongs to the queue thread.
 *
 * <p>A byte for each descriptor, set when a chain that begins there is taken, cleared after the driver has been told that it is used.
 * Before the driver is told, the heads that it will be told of are noted. So at whatever point the process dies:
 *
 * <ul>
 *   <li>the used index in the driver's memory says which of the noted heads the driver knows to be used, whether or not their bytes
 *       have been cleared already;
 *   <li>all others whose bytes are set are in flight, and must be done again;
 *   <li>chains are taken in their order, and each was taken or not by the store of one byte: the next to take is as many entries behind
 *       the used index as are in flight.
 * </ul>
 *
 * <p>Only the compiler could bring the stores into another order, because a process that is killed has done all stores before the one at
 * which it was stopped. {@code storeFence} is for that.
 *
 * <pre>
 *   0 index behind the last head noted           4 index behind the last head whose byte was cleared
 *   8 a ring of heads, of 2 bytes each           8 + 2 * size the bytes
 * </pre>
 */
final class InFlight {

    private static final int NOTED = 0;
    private static final int CLEARED = 4;
    private static final int HEADS = 8;
    private static final int ALIGNMENT = 64;
    private static final byte SET = 1;

    private final long address;
    private final long bytes;
    private final int size;

    /**
     * @param address of {@link #sizeBytes} bytes: zeroes, or what another has left there
     * @param size of the largest queue that it is for
     */
    InFlight(long address, int size) {
        this.address = address;
        this.size = size;
        bytes = address + HEADS + (long) Short.BYTES * size;
    }

    static long sizeBytes(int size) {
        return (HEADS + (Short.BYTES + 1L) * size + ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** Nothing is in flight, and this is the used index. */
    void clear(int usedIndex) {
        RawMemory.fill(bytes, size, (byte) 0);
        RawMemory.putInt(address + NOTED, usedIndex);
        RawMemory.putInt(address + CLEARED, usedIndex);
        RawMemory.storeFence();
    }

    /** A chain is taken; false when one with this head is in flight already. */
    boolean take(int head) {
        if (isSet(head)) {
            return false;
        }
        RawMemory.putByte(bytes + head, SET);
        RawMemory.storeFence();
        return true;
    }

    /** The chain that was taken last is given back. */
    void giveBack(int head) {
        RawMemory.putByte(bytes + head, (byte) 0);
        RawMemory.storeFence();
    }

    /** A chain is put into the used ring, of which the driver has not been told yet. */
    void note(int usedIndex, int head) {
        RawMemory.putShort(headAt(usedIndex), (short) head);
        RawMemory.storeFence();
        RawMemory.putInt(address + NOTED, (usedIndex + 1) & 0xffff);
        RawMemory.storeFence();
    }

    /** The driver has been told of the used ring up to this index. */
    void told(int usedIndex) {
        // Before this the index went into the driver's memory.
        RawMemory.storeFence();
        for (int i = index(CLEARED); i != usedIndex; i = (i + 1) & 0xffff) {
            RawMemory.putByte(bytes + head(i), (byte) 0);
        }
        RawMemory.storeFence();
        RawMemory.putInt(address + CLEARED, usedIndex);
        // A head that is taken anew must not be cleared once more.
        RawMemory.storeFence();
    }

    /**
     * Goes on where another process has stopped.
     *
     * @param usedIndex what the driver has been told, by the driver's own memory
     * @return the heads that are in flight; empty when that cannot be, because the driver has changed what it only reads
     */
    Optional<int[]> recover(int usedIndex) {
        int cleared = index(CLEARED);
        int noted = (index(NOTED) - cleared) & 0xffff;
        int told = (usedIndex - cleared) & 0xffff;
        if (told > noted || noted > size) {
            return Optional.empty();
        }
        told(usedIndex);
        RawMemory.putInt(address + NOTED, usedIndex);
        RawMemory.storeFence();
        int[] heads = new int[size];
        int count = 0;
        for (int head = 0; head < size; head++) {
            if (isSet(head)) {
                heads[count++] = head;
            }
        }
        return Optional.of(Arrays.copyOf(heads, count));
    }

    private boolean isSet(int head) {
        return RawMemory.getByte(bytes + head) != 0;
    }

    private int index(int at) {
        return RawMemory.getInt(address + at) & 0xffff;
    }

    private int head(int usedIndex) {
        return RawMemory.getShort(headAt(usedIndex)) & (size - 1);
    }

    private long headAt(int usedIndex) {
        return address + HEADS + (long) Short.BYTES * (usedIndex & (size - 1));
    }
}
