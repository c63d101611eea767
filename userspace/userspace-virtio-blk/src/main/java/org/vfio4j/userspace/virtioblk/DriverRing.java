package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
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

    /** No status that a device gives. */
    static final byte NO_STATUS = (byte) 0xff;

    /** Of a slot: header, data, status. */
    static final int DESCRIPTORS = 3;

    /** What a slot has of its own: its table and its header. */
    static final int LINE = DESCRIPTORS * VRING_DESC_SIZE + HEADER_SIZE;

    private static final int DATA = VRING_DESC_SIZE;
    private static final int STATUS = 2 * VRING_DESC_SIZE;
    private static final int HEADER = DESCRIPTORS * VRING_DESC_SIZE;
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

    private DriverRing(
            VirtioPciDevice device,
            int index,
            boolean indirect,
            boolean eventIndex,
            RingLayout layout,
            DmaMemory memory,
            Optional<Fd> interrupt,
            long doorbell) {
        this.device = device;
        this.index = index;
        this.indirect = indirect;
        this.eventIndex = eventIndex;
        this.interrupt = interrupt;
        this.doorbell = doorbell;
        mask = layout.size() - 1;
        busy = new boolean[layout.slots()];
        free = new int[layout.slots()];
        desc = memory.address(layout.desc());
        avail = memory.address(layout.avail());
        used = memory.address(layout.used());
        usedEvent = avail + VRING_AVAIL_RING + 2L * layout.size();
        availEvent = used + VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * layout.size();
        lines = memory.address(layout.lines());
        statuses = memory.address(layout.statuses());
        ranges = memory.address(layout.ranges());
        rangesIova = memory.iova(layout.ranges());
    }

    /**
     * Builds a ring in {@code memory} and starts the device's selected queue with it.
     *
     * @param size entries, a power of two from 4 on
     * @param interrupt signalled by the device, when it interrupts at all
     */
    static DriverRing start(
            VirtioPciDevice device, int index, int size, long features, DmaMemory memory, Optional<Fd> interrupt) {
        boolean indirect = has(features, VIRTIO_RING_F_INDIRECT_DESC);
        boolean eventIndex = has(features, VIRTIO_RING_F_EVENT_IDX);
        RingLayout layout = RingLayout.allocate(memory, size, indirect);
        DriverRing ring =
                new DriverRing(device, index, indirect, eventIndex, layout, memory, interrupt, device.doorbell());
        for (int slot = 0; slot < layout.slots(); slot++) {
            ring.prepare(slot, memory.iova(layout.line(slot)), memory.iova(layout.statuses() + slot));
            ring.setStatus(slot, NO_STATUS);
        }
        ring.findFree();
        ring.suppressInterrupts();
        device.startQueue(size, memory.iova(layout.desc()), memory.iova(layout.avail()), memory.iova(layout.used()));
        return ring;
    }

    /**
     * Goes on with a ring that lies in {@code memory} as it was left, and that the device knows.
     *
     * @throws ErrnoException EINVAL for a state that a ring cannot be in
     */
    static DriverRing resume(
            VirtioPciDevice device,
            int index,
            RingState state,
            long features,
            DmaMemory memory,
            Optional<Fd> interrupt) {
        boolean indirect = has(features, VIRTIO_RING_F_INDIRECT_DESC);
        boolean eventIndex = has(features, VIRTIO_RING_F_EVENT_IDX);
        RingLayout layout = RingLayout.allocate(memory, state.size(), indirect);
        if (state.slots() != layout.slots() || !device.isDoorbell(state.doorbell())) {
            throw new ErrnoException(
                    EINVAL,
                    "virtio queue " + index + " with " + state.slots() + " slots, of " + layout.slots()
                            + ", and a doorbell at " + state.doorbell());
        }
        DriverRing ring =
                new DriverRing(device, index, indirect, eventIndex, layout, memory, interrupt, state.doorbell());
        ring.available = state.available();
        ring.published = state.published();
        ring.nextUsed = state.nextUsed();
        for (int slot = 0; slot < layout.slots(); slot++) {
            ring.busy[slot] = state.isBusy(slot);
        }
        ring.findFree();
        return ring;
    }

    /** What {@link #resume} needs; {@code tags} and {@code writable} are the queue's, by slot. */
    RingState state(int[] tags, long[] writable) {
        return new RingState(
                mask + 1, doorbell, interrupt.isPresent(), available, published, nextUsed, tags, writable, busy);
    }

    /** Memory that a ring takes at most, gaps included. */
    static long bytes(int size) {
        int perSlot = VRING_DESC_SIZE + LINE + 1 + RANGE_SIZE;
        return (long) perSlot * size + RingLayout.availBytes(size) + RingLayout.usedBytes(size) + 6L * PAGE;
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
        boolean completed = awaitInterrupt(interrupt.get().value(), timeoutNs);
        suppressInterrupts();
        return completed;
    }

    private boolean awaitInterrupt(int fd, long timeoutNs) {
        long start = System.nanoTime();
        long left = timeoutNs;
        while (pending() == 0 && left > 0) {
            // A signal whose completion was found before it came ends the wait at once, and is taken then.
            Poll.poll(fd, Poll.POLLIN, left);
            EventFd.drain(fd);
            left = timeoutNs - (System.nanoTime() - start);
        }
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

    private void findFree() {
        for (int slot = busy.length - 1; slot >= 0; slot--) {
            if (!busy[slot]) {
                free[freeCount++] = slot;
            }
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
}
