package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * The driver's side of one split virtqueue (Virtual I/O Device 1.2, 2.7) whose entries are block requests. Belongs to the
 * queue's thread.
 *
 * <p>Each slot has descriptors of its own that never move: for header, data and status. With INDIRECT_DESC they are in a table
 * of the slot's, one cache line together with the header, and the descriptor that points to the table is written once; without
 * it they are three neighbours in the ring's own table.
 *
 * <p>Indices run modulo 65536: {@code available} is the next entry of the available ring to fill, {@code published} what the
 * device knows of it, {@code nextUsed} the next entry of the used ring to look at.
 */
final class DriverRing {

    /** {@link #take}: there is no free slot. */
    static final int NONE = -1;

    private static final int DESCRIPTORS = 3;
    private static final int DATA = VRING_DESC_SIZE;
    private static final int STATUS = 2 * VRING_DESC_SIZE;
    private static final int HEADER = DESCRIPTORS * VRING_DESC_SIZE;
    private static final int LINE = HEADER + HEADER_SIZE;
    private static final int PAGE = 4096;
    private static final long LOOK_NS = 20_000;

    private final VirtioPciDevice device;
    private final int index;
    private final int mask;
    private final boolean indirect;
    private final boolean eventIndex;
    private final Optional<Fd> interrupt;
    private final long doorbell;

    // Addresses.
    private final long desc;
    private final long avail;
    private final long used;
    private final long usedEvent;
    private final long availEvent;
    private final long lines;
    private final long statuses;
    private final long ranges;
    private final long rangesIova;

    private final boolean[] busy;
    private final int[] free;
    private int freeCount;
    private int available;
    private int published;
    private int nextUsed;
    private int usedLength;
    private String fault = "";

    /**
     * Builds the ring in {@code memory} and starts the device's selected queue with it.
     *
     * @param size entries, a power of two from 4 on
     * @param interrupt signalled by the device, when it interrupts at all
     */
    DriverRing(VirtioPciDevice device, int index, int size, long features, DmaMemory memory, Optional<Fd> interrupt) {
        this.device = device;
        this.index = index;
        this.interrupt = interrupt;
        mask = size - 1;
        indirect = has(features, VIRTIO_RING_F_INDIRECT_DESC);
        eventIndex = has(features, VIRTIO_RING_F_EVENT_IDX);
        int slots = indirect ? size : size / DESCRIPTORS;
        busy = new boolean[slots];
        free = new int[slots];
        for (int i = 0; i < slots; i++) {
            free[i] = slots - 1 - i;
        }
        freeCount = slots;
        long descAt = memory.allocate((long) VRING_DESC_SIZE * size, PAGE);
        long availAt = memory.allocate(availBytes(size), PAGE);
        long usedAt = memory.allocate(usedBytes(size), PAGE);
        long linesAt = memory.allocate((long) LINE * slots, PAGE);
        long statusesAt = memory.allocate(slots, LINE);
        long rangesAt = memory.allocate((long) RANGE_SIZE * slots, LINE);
        desc = memory.address(descAt);
        avail = memory.address(availAt);
        used = memory.address(usedAt);
        usedEvent = avail + VRING_AVAIL_RING + 2L * size;
        availEvent = used + VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * size;
        lines = memory.address(linesAt);
        statuses = memory.address(statusesAt);
        ranges = memory.address(rangesAt);
        rangesIova = memory.iova(rangesAt);
        for (int slot = 0; slot < slots; slot++) {
            prepare(slot, memory.iova(linesAt + (long) LINE * slot), memory.iova(statusesAt + slot));
        }
        suppressInterrupts();
        doorbell = device.startQueue(size, memory.iova(descAt), memory.iova(availAt), memory.iova(usedAt));
    }

    /** Memory that a ring takes at most, gaps included. */
    static long bytes(int size) {
        int perSlot = VRING_DESC_SIZE + LINE + 1 + RANGE_SIZE;
        return (long) perSlot * size + availBytes(size) + usedBytes(size) + 6L * PAGE;
    }

    int slots() {
        return free.length;
    }

    int inFlight() {
        return free.length - freeCount;
    }

    /** A slot for a request, or {@link #NONE}. */
    int take() {
        checkUsable();
        return freeCount == 0 ? NONE : free[--freeCount];
    }

    void putData(int slot, long iova, int length, boolean deviceWrites) {
        int flags = VRING_DESC_F_NEXT | (deviceWrites ? VRING_DESC_F_WRITE : 0);
        link(slot, 1);
        put(table(slot) + DATA, iova, length, flags, number(slot, 2));
    }

    void putNoData(int slot) {
        link(slot, 2);
    }

    /** Struct virtio_blk_discard_write_zeroes as the data. */
    void putRange(int slot, long sector, int sectors, int flags) {
        long range = ranges + (long) RANGE_SIZE * slot;
        RawMemory.putLong(range, sector);
        RawMemory.putInt(range + RANGE_NUM_SECTORS, sectors);
        RawMemory.putInt(range + RANGE_FLAGS, flags);
        putData(slot, rangesIova + (long) RANGE_SIZE * slot, RANGE_SIZE, false);
    }

    /** Puts the slot's request into the available ring, where the device sees it after {@link #publish}. */
    void queue(int slot, int type, long sector) {
        long header = lines + (long) LINE * slot + HEADER;
        // Type and priority, which is none.
        RawMemory.putLong(header, type);
        RawMemory.putLong(header + HEADER_SECTOR, sector);
        busy[slot] = true;
        RawMemory.putShort(avail + VRING_AVAIL_RING + 2L * (available & mask), (short) head(slot));
        available = (available + 1) & 0xffff;
    }

    void publish() {
        checkUsable();
        if (available == published) {
            return;
        }
        int before = published;
        RawMemory.putShortRelease(avail + VRING_AVAIL_IDX, (short) available);
        published = available;
        // The device stores its wish and then loads our index; we store our index and then load its wish.
        RawMemory.fullFence();
        boolean wanted = eventIndex
                ? needsEvent(RawMemory.getShort(availEvent) & 0xffff, available, before)
                : (RawMemory.getShort(used) & VRING_USED_F_NO_NOTIFY) == 0;
        if (wanted) {
            device.notifyQueue(doorbell, index);
        }
    }

    /** How many completions wait to be looked at by {@link #used}. */
    int pending() {
        checkUsable();
        int pending = (RawMemory.getShortAcquire(used + VRING_USED_IDX) - nextUsed) & 0xffff;
        if (pending != 0) {
            int unpublished = (available - published) & 0xffff;
            if (pending > inFlight() - unpublished) {
                throw broken("its used index is " + pending + " ahead, with " + (inFlight() - unpublished)
                        + " requests in flight");
            }
        }
        return pending;
    }

    /** The slot of the next completion. It stays taken until {@link #give}. */
    int used() {
        long entry = used + VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * (nextUsed & mask);
        // Loaded once, since the device may change it at any moment.
        int id = RawMemory.getInt(entry);
        usedLength = RawMemory.getInt(entry + 4);
        int slot = indirect ? id : Integer.remainderUnsigned(id, DESCRIPTORS) == 0 ? id / DESCRIPTORS : NONE;
        if (slot < 0 || slot >= busy.length || !busy[slot]) {
            throw broken("it completes descriptor " + Integer.toUnsignedString(id) + ", which is not in flight");
        }
        nextUsed = (nextUsed + 1) & 0xffff;
        return slot;
    }

    /** How many bytes the device says it wrote for the last {@link #used}; unsigned. */
    int usedLength() {
        return usedLength;
    }

    void give(int slot) {
        busy[slot] = false;
        free[freeCount++] = slot;
    }

    int status(int slot) {
        return RawMemory.getByte(statuses + slot) & 0xff;
    }

    void setStatus(int slot, byte status) {
        RawMemory.putByte(statuses + slot, status);
    }

    boolean await(long timeoutNs) {
        if (pending() != 0) {
            return true;
        }
        if (interrupt.isEmpty()) {
            return awaitLooking(timeoutNs);
        }
        allowInterrupts();
        // The device stores its index and then loads our wish; we store our wish and then load its index.
        RawMemory.fullFence();
        if (pending() == 0) {
            int fd = interrupt.get().value();
            Poll.poll(fd, Poll.POLLIN, timeoutNs);
            EventFd.drain(fd);
        }
        suppressInterrupts();
        return pending() != 0;
    }

    /** Nothing may touch the memory any more. */
    void close() {
        fault = "it is closed";
    }

    /** Gives the queue up and makes the exception that says why. */
    ErrnoException broken(String why) {
        fault = why;
        return failure();
    }

    private boolean awaitLooking(long timeoutNs) {
        long start = System.nanoTime();
        while (pending() == 0) {
            if (System.nanoTime() - start >= timeoutNs) {
                return false;
            }
            LockSupport.parkNanos(LOOK_NS);
        }
        return true;
    }

    private void checkUsable() {
        if (!fault.isEmpty()) {
            throw failure();
        }
    }

    private ErrnoException failure() {
        return new ErrnoException(EPROTO, "virtio queue " + index + " is given up: " + fault);
    }

    private void allowInterrupts() {
        if (eventIndex) {
            RawMemory.putShortRelease(usedEvent, (short) nextUsed);
        } else {
            RawMemory.putShortRelease(avail, (short) 0);
        }
    }

    /** With EVENT_IDX an event that lies behind does it, but for one interrupt in 65536. */
    private void suppressInterrupts() {
        if (eventIndex) {
            RawMemory.putShortRelease(usedEvent, (short) (nextUsed - 1));
        } else {
            RawMemory.putShortRelease(avail, (short) VRING_AVAIL_F_NO_INTERRUPT);
        }
    }

    private void prepare(int slot, long lineIova, long statusIova) {
        if (indirect) {
            put(desc + (long) VRING_DESC_SIZE * slot, lineIova, HEADER, VRING_DESC_F_INDIRECT, 0);
        }
        put(table(slot), lineIova + HEADER, HEADER_SIZE, VRING_DESC_F_NEXT, number(slot, 1));
        put(table(slot) + STATUS, statusIova, 1, VRING_DESC_F_WRITE, 0);
    }

    /** Makes the header's descriptor point to the slot's descriptor {@code number}. */
    private void link(int slot, int number) {
        RawMemory.putShort(table(slot) + VRING_DESC_LEN + 6, (short) number(slot, number));
    }

    /** Where the slot's three descriptors are. */
    private long table(int slot) {
        return indirect ? lines + (long) LINE * slot : desc + (long) HEADER * slot;
    }

    /** What stands for the slot's request in the rings. */
    private int head(int slot) {
        return indirect ? slot : DESCRIPTORS * slot;
    }

    /** The number of one of the slot's descriptors in its table. */
    private int number(int slot, int number) {
        return indirect ? number : DESCRIPTORS * slot + number;
    }

    private static void put(long at, long iova, int length, int flags, int next) {
        RawMemory.putLong(at, iova);
        RawMemory.putInt(at + VRING_DESC_LEN, length);
        RawMemory.putInt(at + VRING_DESC_LEN + 4, flags | next << 16);
    }

    private static long availBytes(int size) {
        return VRING_AVAIL_RING + 2L * size + 2;
    }

    private static long usedBytes(int size) {
        return VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * size + 2;
    }
}
