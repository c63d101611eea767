package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.ByteBuffer;
import org.vfio4j.sys.ErrnoException;

/**
 * What a driver knows of a queue that is not in the memory that it shares with the device. Immutable.
 *
 * @param size entries
 * @param doorbell as {@link VirtioPciDevice#doorbell}
 * @param interrupts whether the device interrupts for it
 * @param available see {@link DriverRing}, as are the next two
 * @param tags by slot
 * @param writable by slot: how many bytes the device may say that it has written
 * @param busy by slot: whether it is in flight
 */
record RingState(
        int size,
        long doorbell,
        boolean interrupts,
        int available,
        int published,
        int nextUsed,
        int[] tags,
        long[] writable,
        boolean[] busy) {

    private static final int INDEX_MASK = 0xffff;

    RingState {
        tags = tags.clone();
        writable = writable.clone();
        busy = busy.clone();
        int inFlight = 0;
        for (boolean each : busy) {
            inFlight += each ? 1 : 0;
        }
        int seen = (available - nextUsed) & INDEX_MASK;
        int hidden = (available - published) & INDEX_MASK;
        if (size < VirtioBlkDriver.MIN_QUEUE_SIZE
                || size > VirtioNumbers.VRING_MAX_SIZE
                || Integer.bitCount(size) != 1
                || busy.length > size
                || seen != inFlight
                || hidden > inFlight) {
            throw new ErrnoException(
                    EINVAL,
                    "state of a virtio queue of " + size + " entries and " + busy.length + " slots: " + inFlight
                            + " in flight, of which " + hidden + " are not published, and indices " + seen + " apart");
        }
    }

    int slots() {
        return busy.length;
    }

    boolean isBusy(int slot) {
        return busy[slot];
    }

    int bytes() {
        return 4 * Integer.BYTES + Long.BYTES + 3 * Short.BYTES + 1 + slots() * (Integer.BYTES + Long.BYTES + 1);
    }

    void write(ByteBuffer to) {
        to.putInt(size).putInt(slots()).putLong(doorbell).put((byte) (interrupts ? 1 : 0));
        to.putShort((short) available).putShort((short) published).putShort((short) nextUsed);
        for (int slot = 0; slot < slots(); slot++) {
            to.putInt(tags[slot]).putLong(writable[slot]).put((byte) (busy[slot] ? 1 : 0));
        }
    }

    /** @throws java.nio.BufferUnderflowException when it ends too early */
    static RingState read(ByteBuffer from) {
        int size = from.getInt();
        int slots = from.getInt();
        if (slots < 0 || slots > VirtioNumbers.VRING_MAX_SIZE) {
            throw new ErrnoException(EINVAL, "state of a virtio queue of " + slots + " slots");
        }
        long doorbell = from.getLong();
        boolean interrupts = from.get() != 0;
        int available = from.getShort() & INDEX_MASK;
        int published = from.getShort() & INDEX_MASK;
        int nextUsed = from.getShort() & INDEX_MASK;
        int[] tags = new int[slots];
        long[] writable = new long[slots];
        boolean[] busy = new boolean[slots];
        for (int slot = 0; slot < slots; slot++) {
            tags[slot] = from.getInt();
            writable[slot] = from.getLong();
            busy[slot] = from.get() != 0;
        }
        return new RingState(size, doorbell, interrupts, available, published, nextUsed, tags, writable, busy);
    }
}
