package org.vfio4j.virtio.testing;

import static org.vfio4j.virtio.VirtioRing.*;

import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/** The driver's side of a split ring, for tests: it can do everything right, and anything wrong. */
public final class DriverRing {

    private final GuestMemory memory;
    private final int size;
    private final boolean eventIndex;
    private final long desc;
    private final long avail;
    private final long used;
    private int availIndex;
    private int seenUsed;
    private int nextDescriptor;

    public DriverRing(GuestMemory memory, int size, boolean eventIndex, boolean remote) {
        this.memory = memory;
        this.size = size;
        this.eventIndex = eventIndex;
        int availBytes = usedEventAt(size) + 2;
        int usedBytes = availEventAt(size) + 2;
        desc = remote ? memory.remote(descBytes(size)) : memory.mapped(descBytes(size));
        avail = remote ? memory.remote(availBytes) : memory.mapped(availBytes);
        used = remote ? memory.remote(usedBytes) : memory.mapped(usedBytes);
    }

    public int size() {
        return size;
    }

    public long desc() {
        return desc;
    }

    public long avail() {
        return avail;
    }

    public long used() {
        return used;
    }

    /** Writes descriptor {@code i} of the table at {@code table}. */
    public void describe(long table, int i, long address, int length, int flags, int next) {
        long at = memory.host(table + (long) VRING_DESC_SIZE * i);
        RawMemory.putLong(at, address);
        RawMemory.putInt(at + 8, length);
        RawMemory.putShort(at + 12, (short) flags);
        RawMemory.putShort(at + 14, (short) next);
    }

    /** Pieces of a chain: address, length and whether the device writes it. */
    public record Piece(long address, int length, boolean writable) {

        public static Piece readable(long address, int length) {
            return new Piece(address, length, false);
        }

        public static Piece writable(long address, int length) {
            return new Piece(address, length, true);
        }
    }

    /** Makes a chain of direct descriptors and offers it. Returns its head. */
    public int add(Piece... pieces) {
        int head = nextDescriptor;
        for (int i = 0; i < pieces.length; i++) {
            int at = nextDescriptor;
            nextDescriptor = (nextDescriptor + 1) % size;
            boolean last = i == pieces.length - 1;
            describe(desc, at, pieces[i].address(), pieces[i].length(), flags(pieces[i], last), nextDescriptor);
        }
        offer(head);
        return head;
    }

    /** Makes a chain in an indirect table at {@code table} and offers it. Returns its head. */
    public int addIndirect(long table, Piece... pieces) {
        for (int i = 0; i < pieces.length; i++) {
            boolean last = i == pieces.length - 1;
            describe(table, i, pieces[i].address(), pieces[i].length(), flags(pieces[i], last), i + 1);
        }
        int head = nextDescriptor;
        nextDescriptor = (nextDescriptor + 1) % size;
        describe(desc, head, table, VRING_DESC_SIZE * pieces.length, VRING_DESC_F_INDIRECT, 0);
        offer(head);
        return head;
    }

    /** Puts {@code head} into the available ring, whatever it is. */
    public void offer(int head) {
        RawMemory.putShort(memory.host(avail + VRING_AVAIL_RING + 2L * (availIndex % size)), (short) head);
        setAvailIndex(availIndex + 1);
    }

    /** Sets the available index, whatever that means. */
    public void setAvailIndex(int index) {
        availIndex = index & 0xffff;
        RawMemory.putShortRelease(memory.host(avail + VRING_AVAIL_IDX), (short) availIndex);
        RawMemory.fullFence();
    }

    /** Whether the device asks to be notified of what was offered since {@code before}. */
    public boolean wantsNotification(int before) {
        RawMemory.fullFence();
        if (eventIndex) {
            int event = RawMemory.getShort(memory.host(used + availEventAt(size))) & 0xffff;
            return needsEvent(event, availIndex, before);
        }
        return (RawMemory.getShort(memory.host(used)) & VRING_USED_F_NO_NOTIFY) == 0;
    }

    /** Begins anew, as after a reset of the device. The memory is the caller's to clear. */
    public void restart() {
        setAvailIndex(0);
        seenUsed = 0;
        nextDescriptor = 0;
    }

    public int availIndex() {
        return availIndex;
    }

    /** The used index as the device has it. */
    public int usedIndex() {
        return RawMemory.getShortAcquire(memory.host(used + VRING_USED_IDX)) & 0xffff;
    }

    /** Asks for an interrupt when the used index passes {@code event} (with EVENT_IDX). */
    public void setUsedEvent(int event) {
        RawMemory.putShort(memory.host(avail + usedEventAt(size)), (short) event);
        RawMemory.fullFence();
    }

    /** Switches interrupts off or on (without EVENT_IDX). */
    public void setNoInterrupt(boolean off) {
        RawMemory.putShort(memory.host(avail), (short) (off ? VRING_AVAIL_F_NO_INTERRUPT : 0));
        RawMemory.fullFence();
    }

    /** An entry of the used ring. */
    public record Used(int head, int written) {}

    public boolean hasUsed() {
        return usedIndex() != seenUsed;
    }

    /** Takes the next used entry without an object: the head, and the length in the upper half. */
    public long takeRaw() {
        long at = memory.host(used + VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * (seenUsed % size));
        seenUsed = (seenUsed + 1) & 0xffff;
        return RawMemory.getLong(at);
    }

    public Used take() {
        long raw = takeRaw();
        return new Used((int) raw, (int) (raw >>> 32));
    }

    /** Waits for the next used entry. */
    public Used await() {
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!hasUsed()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("the device used nothing for 10 s");
            }
            Thread.yield();
        }
        return take();
    }

    private static int flags(Piece piece, boolean last) {
        return (piece.writable() ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
    }
}
