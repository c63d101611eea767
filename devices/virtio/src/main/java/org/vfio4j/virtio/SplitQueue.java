package org.vfio4j.virtio;

import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_F_NO_INTERRUPT;
import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_IDX;
import static org.vfio4j.virtio.VirtioRing.VRING_AVAIL_RING;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_INDIRECT;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_NEXT;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_F_WRITE;
import static org.vfio4j.virtio.VirtioRing.VRING_DESC_SIZE;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_ELEM_SIZE;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_IDX;
import static org.vfio4j.virtio.VirtioRing.VRING_USED_RING;
import static org.vfio4j.virtio.VirtioRing.needsEvent;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueStatistics;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * The device's side of one split virtqueue (Virtual I/O Device 1.2, 2.7). Belongs to the queue thread.
 *
 * <p>The driver may change its memory at any moment: each ring entry and each descriptor is loaded once, the copy is checked
 * and the copy is used. Every loop is bounded by the queue's own size.
 *
 * <p>Indices run modulo 65536. {@code nextAvail} is the next entry of the available ring to take, {@code usedIndex} the next of
 * the used ring to fill, {@code published} what the driver has been told of it.
 *
 * <p>{@link RingMemory} says where the rings are: before anything else {@link #locate} must have returned true, and once it
 * has been {@link #forget forgotten}, again.
 *
 * <p>A queue that goes on where one of a dead process was ({@link #recover}) first takes again what that one had in flight.
 */
public final class SplitQueue {

    /** {@link #take}: there is a chain. */
    public static final int TAKEN = 1;

    /** {@link #take}: an indirect table cannot be had now: it needs waiting, or the user went away; nothing was taken. */
    public static final int SLOW = 0;

    /** {@link #take}: the driver broke the ring's rules, see {@link #fault}. */
    public static final int BROKEN = -1;

    /** {@link #available}: the ring's memory could not be read. */
    public static final int UNREACHABLE = -2;

    private final int index;
    private final int size;
    private final int mask;
    private final int maxChain;
    private final boolean indirectOffered;
    private final boolean eventIndex;
    private final RingMemory memory;
    private final QueueStatistics statistics;

    private int nextAvail;
    private int usedIndex;
    private int published;
    private boolean slow;
    private String fault = "";

    private @Nullable Mapping indirectCopy;

    // Null where nobody would go on after this process.
    private final @Nullable InFlight inFlight;
    private boolean recovering;
    private int[] again = {};
    private int againCount;
    private int lastHead;
    private boolean lastWasAgain;

    /** @param inFlight where it notes what it takes and answers, for another process; null for nowhere */
    SplitQueue(
            int index,
            RingMemory memory,
            int size,
            int maxChain,
            long features,
            QueueStatistics statistics,
            @Nullable InFlight inFlight) {
        this.inFlight = inFlight;
        this.index = index;
        this.memory = memory;
        this.size = size;
        this.maxChain = maxChain;
        this.statistics = statistics;
        mask = size - 1;
        indirectOffered = VirtioConfig.has(features, VirtioConfig.VIRTIO_RING_F_INDIRECT_DESC);
        eventIndex = VirtioConfig.has(features, VirtioConfig.VIRTIO_RING_F_EVENT_IDX);
    }

    /** Which of the device's queues this is. */
    public int index() {
        return index;
    }

    /** Where what happens to its chains is counted. */
    public QueueStatistics statistics() {
        return statistics;
    }

    /** What the driver did wrong, in a few words; empty when nothing. */
    public String fault() {
        return fault;
    }

    /** Whether the rings are copies, because they do not lie in mapped memory: then every access may wait. */
    public boolean isCopied() {
        return memory.isCopied();
    }

    boolean isLocated() {
        return memory.isLocated();
    }

    boolean locate(DmaWindow window) {
        return memory.isLocated() || memory.locate(window);
    }

    void forget() {
        memory.forget();
    }

    /**
     * The next entry of the available ring that the driver has not been told to be done. That is {@link #nextAvail} when nothing is
     * in flight, unless copied rings could not be stored: then chains are served one by one, so those that are left were taken in
     * this order, and taking them again gives what taking them once gave.
     */
    int toldAvail() {
        return (nextAvail - (usedIndex - published)) & 0xffff;
    }

    /** What the driver has been told of the used ring. */
    int published() {
        return published;
    }

    /** Begins where another queue has stopped, instead of at the start. */
    void begin(int atAvail, int atUsed) {
        nextAvail = atAvail;
        usedIndex = atUsed;
        published = atUsed;
        if (inFlight != null) {
            inFlight.clear(atUsed);
        }
    }

    /** Begins where the queue of a dead process was, as its notes and the driver's memory say once that is there. */
    void recover() {
        recovering = true;
    }

    /** Whether what another process had in flight has not been taken again yet. */
    boolean isRecovering() {
        return recovering || againCount > 0;
    }

    void close() {
        memory.close();
        Mapping scratch = indirectCopy;
        if (scratch != null) {
            scratch.close();
            indirectCopy = null;
        }
    }

    /** How many chains wait to be taken; {@link #BROKEN} or {@link #UNREACHABLE}. */
    int available(DmaWindow window) {
        boolean copied = memory.isCopied();
        if (copied && memory.fetchIndex(window) != 0) {
            return UNREACHABLE;
        }
        if (recovering && !recover(window)) {
            return isBroken() ? BROKEN : UNREACHABLE;
        }
        int waiting = (RawMemory.getShortAcquire(memory.avail() + VRING_AVAIL_IDX) - nextAvail) & 0xffff;
        if (waiting == 0 && againCount == 0) {
            return 0;
        }
        if (waiting > size) {
            fault = "the available index runs ahead of the ring";
            return BROKEN;
        }
        if (copied && memory.fetchEntries(window) != 0) {
            return UNREACHABLE;
        }
        return waiting + againCount;
    }

    private boolean recover(DmaWindow window) {
        if (inFlight == null || (memory.isCopied() && memory.fetchUsedIndex(window) != 0)) {
            return false;
        }
        int told = RawMemory.getShortAcquire(memory.used() + VRING_USED_IDX) & 0xffff;
        Optional<int[]> heads = inFlight.recover(told);
        if (heads.isEmpty()) {
            fault = "the used index is not the device's";
            return false;
        }
        again = heads.get();
        againCount = again.length;
        usedIndex = told;
        published = told;
        nextAvail = (told + againCount) & 0xffff;
        recovering = false;
        return true;
    }

    /**
     * Takes the next chain, of which {@link #available} knew.
     *
     * @param mayWait whether nothing is in flight, so that an indirect table may be read from memory that is not mapped; the
     *     rings must be located anew afterwards
     * @return {@link #TAKEN}, {@link #SLOW} or {@link #BROKEN}
     */
    public int take(DescriptorChain chain, DmaWindow window, boolean mayWait) {
        int head = againCount > 0
                ? again[againCount - 1]
                : RawMemory.getShort(memory.avail() + VRING_AVAIL_RING + 2L * (nextAvail & mask)) & 0xffff;
        long table = memory.desc();
        int entries = size;
        boolean indirect = false;
        int next = head;
        chain.begin(head);
        for (int i = 0; i <= maxChain; i++) {
            if (next >= entries) {
                return broken("a descriptor index is past the end of its table");
            }
            long at = table + (long) VRING_DESC_SIZE * next;
            long address = RawMemory.getLong(at);
            long rest = RawMemory.getLong(at + 8);
            long length = rest & 0xffff_ffffL;
            int flags = (int) (rest >>> 32);
            if ((flags & VRING_DESC_F_INDIRECT) != 0) {
                if (indirect || !indirectOffered || (flags & VRING_DESC_F_NEXT) != 0) {
                    return broken("an indirect descriptor where none may be");
                }
                if (length == 0 || length % VRING_DESC_SIZE != 0 || length > (long) VRING_DESC_SIZE * maxChain) {
                    return broken("an indirect table of an illegal length");
                }
                table = indirectTable(address, length, window, mayWait);
                if (table == 0) {
                    slow = true;
                    return SLOW;
                }
                if (table == -ECANCELED || table == -ENOTCONN) {
                    return SLOW;
                }
                if (table < 0) {
                    return broken("an indirect table that is not in memory");
                }
                entries = (int) (length / VRING_DESC_SIZE);
                indirect = true;
                next = 0;
                continue;
            }
            if (i - (indirect ? 1 : 0) == maxChain || !chain.add(address, length, (flags & VRING_DESC_F_WRITE) != 0)) {
                return broken("a chain that is too long, or has a readable piece behind a writable one");
            }
            if ((flags & VRING_DESC_F_NEXT) == 0) {
                return inFlight == null ? taken() : takenAndNoted(inFlight, head);
            }
            next = (int) (rest >>> 48);
        }
        return broken("a chain that is longer than the queue");
    }

    private int taken() {
        nextAvail = (nextAvail + 1) & 0xffff;
        return TAKEN;
    }

    private int takenAndNoted(InFlight notes, int head) {
        lastHead = head;
        lastWasAgain = againCount > 0;
        if (lastWasAgain) {
            againCount--;
            return TAKEN;
        }
        return notes.take(head) ? taken() : broken("a chain that is in flight already");
    }

    /** Gives back the chain that was taken last, for {@link VirtioRequests#serveSlowly} to take it again. */
    public void takeSlowly() {
        untake();
        slow = true;
    }

    /** Declares that the driver broke a rule which leaves no way to answer it: the device will need a reset. */
    public void breakOff(String why) {
        fault = why;
    }

    private void untake() {
        if (inFlight != null && lastWasAgain) {
            againCount++;
            return;
        }
        nextAvail = (nextAvail - 1) & 0xffff;
        if (inFlight != null) {
            inFlight.giveBack(lastHead);
        }
    }

    /** What is taken next, for {@link #rewind}. */
    long position() {
        return ((long) againCount << 16) | nextAvail;
    }

    /** Gives back the chain taken since, if one was. Only while it is not in flight. */
    void rewind(long position) {
        if (position != position()) {
            untake();
        }
    }

    boolean isBroken() {
        return !fault.isEmpty();
    }

    /** Whether the next chain cannot be served by translated addresses alone; asking forgets it. */
    boolean wantsSlowly() {
        boolean was = slow;
        slow = false;
        return was;
    }

    /**
     * Puts a chain into the used ring, where the driver sees it after {@link #publish}.
     *
     * @param written bytes written from the start of the chain's writable part on
     */
    public void used(int head, int written) {
        long entry = memory.used() + VRING_USED_RING + (long) VRING_USED_ELEM_SIZE * (usedIndex & mask);
        RawMemory.putInt(entry, head);
        RawMemory.putInt(entry + 4, written);
        if (inFlight != null) {
            inFlight.note(usedIndex, head);
        }
        usedIndex = (usedIndex + 1) & 0xffff;
    }

    /** Shows the driver what was used since the last time. Returns whether it wants an interrupt for that. */
    boolean publish(DmaWindow window) {
        if (usedIndex == published) {
            return false;
        }
        int before = published;
        RawMemory.putShortRelease(memory.used() + VRING_USED_IDX, (short) usedIndex);
        if (!memory.isCopied()) {
            // The driver stores its wish and then loads our index; we store our index and then load its wish.
            RawMemory.fullFence();
            memory.markUsed(window, before, usedIndex);
        } else if (memory.storeUsed(window, before, usedIndex) != 0
                || memory.fetchSuppression(window, eventIndex) != 0) {
            return false;
        }
        published = usedIndex;
        if (inFlight != null) {
            inFlight.told(usedIndex);
        }
        if (eventIndex) {
            int event = RawMemory.getShort(memory.avail() + VirtioRing.usedEventAt(size)) & 0xffff;
            return needsEvent(event, usedIndex, before);
        }
        return (RawMemory.getShort(memory.avail()) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
    }

    /** Asks the driver to notify. Returns true when there is something to take after all. */
    boolean arm(DmaWindow window) {
        if (eventIndex) {
            writeUsedField(window, VirtioRing.availEventAt(size), nextAvail);
        } else {
            writeUsedField(window, 0, 0);
        }
        if (memory.isCopied()) {
            return memory.fetchIndex(window) == 0 && hasNews();
        }
        RawMemory.fullFence();
        return hasNews();
    }

    /** Tells the driver that notifications are not needed; with EVENT_IDX an event that lies behind does that by itself. */
    void disarm(DmaWindow window) {
        if (!eventIndex && !memory.isCopied()) {
            writeUsedField(window, 0, VirtioRing.VRING_USED_F_NO_NOTIFY);
        }
    }

    private boolean hasNews() {
        return againCount > 0
                || ((RawMemory.getShortAcquire(memory.avail() + VRING_AVAIL_IDX) - nextAvail) & 0xffff) != 0;
    }

    private void writeUsedField(DmaWindow window, int at, int value) {
        RawMemory.putShortRelease(memory.used() + at, (short) value);
        if (memory.isCopied()) {
            memory.storeUsedField(window, at);
        } else {
            memory.markUsedField(window, at);
        }
    }

    /** The address of a table of descriptors in this process; 0 when that needs waiting, negative when it is not there. */
    private long indirectTable(long iova, long bytes, DmaWindow window, boolean mayWait) {
        long table = window.translate(iova, bytes, DmaSpace.READ);
        if (!mayWait) {
            return Math.max(table, 0);
        }
        if (table != 0) {
            return table;
        }
        Mapping scratch = indirectCopy;
        if (scratch == null) {
            scratch = Mapping.anonymous((long) VRING_DESC_SIZE * maxChain);
            indirectCopy = scratch;
        }
        int error = window.read(iova, scratch.address(), bytes);
        return error == 0 ? scratch.address() : error;
    }

    private int broken(String why) {
        fault = why;
        return BROKEN;
    }
}
