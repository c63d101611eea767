package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * The driver's side of a submission queue and its completion queue (NVM Express Base 2.0, 3.3). Belongs to the queue's thread.
 *
 * <p>A command's identifier is its slot's number. There is one slot less than entries, so neither queue can be full, whatever the
 * controller says about its head. Each slot has a PRP list of its own; commands without data keep their ranges there.
 *
 * <p>The completion queue's head is told when a quarter of the queue has been taken, and before the thread sleeps: a controller that
 * has posted as much as it could finds room by then.
 */
final class CommandRing {

    /** {@link #take}: there is no free slot. */
    static final int NONE = -1;

    private static final int FREE = 0;
    private static final int TAKEN = 1;
    private static final int QUEUED = 2;

    private static final long LOOK_NS = 20_000;

    private final int id;
    private final int mask;
    private final int pageBytes;
    private final int listBytes;
    private final Optional<Fd> interrupt;

    // Where they are in the memory.
    private final long submissionsAt;
    private final long completionsAt;
    private final long listsAt;

    // Addresses, and where the controller sees them.
    private final long submissions;
    private final long completions;
    private final long lists;
    private final long submissionsIova;
    private final long completionsIova;
    private final long listsIova;

    // By slot: its state, and for a queued one how many were queued before it.
    private final byte[] states;
    private final int[] queuedAt;
    private final int[] free;
    private int freeCount;

    // The queue's memory is there before the controller knows of it.
    private @Nullable Doorbell tailDoorbell;
    private @Nullable Doorbell headDoorbell;

    /** How many commands have been queued, and how many of them published; modulo 2^32. */
    private int queued;

    private int published;

    private int head;
    private int told;

    /** The phase of entries that are new. */
    private int phase = CQE_PHASE;

    private int result;
    private int status;
    private String fault = "";

    /**
     * Lays the queues out in {@code memory}.
     *
     * @param id of both queues
     * @param entries of each, a power of two
     * @param pageBytes the controller's memory page
     * @param listEntries entries of a PRP list at most: as many as fit a page, or fewer
     * @param interrupt signalled by the controller, when it interrupts at all
     */
    CommandRing(DmaMemory memory, int id, int entries, int pageBytes, int listEntries, Optional<Fd> interrupt) {
        this(
                memory,
                id,
                entries,
                pageBytes,
                listBytes(listEntries),
                interrupt,
                memory.allocate((long) entries * SQE_SIZE, pageBytes),
                memory.allocate((long) entries * CQE_SIZE, pageBytes),
                memory.allocate((long) (entries - 1) * listBytes(listEntries), pageBytes));
    }

    private CommandRing(
            DmaMemory memory,
            int id,
            int entries,
            int pageBytes,
            int listBytes,
            Optional<Fd> interrupt,
            long submissionsAt,
            long completionsAt,
            long listsAt) {
        this.id = id;
        this.pageBytes = pageBytes;
        this.listBytes = listBytes;
        this.interrupt = interrupt;
        this.submissionsAt = submissionsAt;
        this.completionsAt = completionsAt;
        this.listsAt = listsAt;
        mask = entries - 1;
        int slots = entries - 1;
        states = new byte[slots];
        queuedAt = new int[slots];
        free = new int[slots];
        for (int i = 0; i < slots; i++) {
            free[i] = slots - 1 - i;
        }
        freeCount = slots;
        submissions = memory.address(submissionsAt);
        completions = memory.address(completionsAt);
        lists = memory.address(listsAt);
        submissionsIova = memory.iova(submissionsAt);
        completionsIova = memory.iova(completionsAt);
        listsIova = memory.iova(listsAt);
    }

    /**
     * Goes on with a ring that another driver has left.
     *
     * @param memory what the other had, with the same contents
     * @throws ErrnoException EINVAL when it is not in the memory
     */
    static CommandRing resume(DmaMemory memory, int pageBytes, RingState state, Optional<Fd> interrupt) {
        int slots = state.busy().length;
        if (!memory.contains(state.submissionsAt(), (long) state.entries() * SQE_SIZE)
                || !memory.contains(state.completionsAt(), (long) state.entries() * CQE_SIZE)
                || !memory.contains(state.listsAt(), (long) slots * state.listBytes())
                || state.listBytes() > pageBytes) {
            throw new ErrnoException(EINVAL, "state of NVMe queue " + state.id() + ", which is not in its memory");
        }
        CommandRing ring = new CommandRing(
                memory,
                state.id(),
                state.entries(),
                pageBytes,
                state.listBytes(),
                interrupt,
                state.submissionsAt(),
                state.completionsAt(),
                state.listsAt());
        ring.load(state);
        return ring;
    }

    private void load(RingState state) {
        freeCount = 0;
        for (int slot = states.length - 1; slot >= 0; slot--) {
            if (state.busy()[slot]) {
                states[slot] = QUEUED;
                queuedAt[slot] = state.queuedAt()[slot];
            } else {
                free[freeCount++] = slot;
            }
        }
        queued = state.queued();
        published = state.published();
        head = state.head();
        told = state.told();
        phase = state.phase();
    }

    /**
     * What {@link #resume} needs. The queue's thread is not in it.
     *
     * @param vector what it interrupts with, -1 for nothing
     * @param tags by slot
     * @throws ErrnoException EPROTO for one that is given up
     */
    RingState state(int vector, int[] tags) {
        checkUsable();
        boolean[] busy = new boolean[states.length];
        for (int slot = 0; slot < busy.length; slot++) {
            busy[slot] = states[slot] != FREE;
        }
        return new RingState(
                id,
                entries(),
                vector,
                submissionsAt,
                completionsAt,
                listsAt,
                listBytes,
                queued,
                published,
                head,
                told,
                phase,
                tags,
                busy,
                queuedAt);
    }

    /** Memory that a ring takes at most, gaps included. */
    static long bytes(int entries, int pageBytes, int listEntries) {
        return (long) entries * (SQE_SIZE + CQE_SIZE + listBytes(listEntries)) + 3L * pageBytes;
    }

    /** A power of two, so that no list crosses a page; at least a range of Dataset Management. */
    private static int listBytes(int listEntries) {
        int needed = Math.max(listEntries * Long.BYTES, DSM_RANGE_SIZE);
        return Integer.highestOneBit(2 * needed - 1);
    }

    /** From now on the controller knows of it. */
    void start(Doorbell tail, Doorbell completionHead) {
        tailDoorbell = tail;
        headDoorbell = completionHead;
    }

    long submissionsIova() {
        return submissionsIova;
    }

    long completionsIova() {
        return completionsIova;
    }

    int id() {
        return id;
    }

    int entries() {
        return mask + 1;
    }

    int slots() {
        return free.length;
    }

    int inFlight() {
        return free.length - freeCount;
    }

    /** A slot for a command, or {@link #NONE}. What it needs is put, and then {@link #queue} called. */
    int take() {
        checkUsable();
        if (freeCount == 0) {
            return NONE;
        }
        int slot = free[--freeCount];
        states[slot] = TAKEN;
        return slot;
    }

    /** Where this process sees the slot's PRP list. */
    long list(int slot) {
        return lists + (long) slot * listBytes;
    }

    /** Where the controller sees it. */
    long listIova(int slot) {
        return listsIova + (long) slot * listBytes;
    }

    /**
     * Queues the slot's command, with data or without: the controller sees it after {@link #publish}.
     *
     * @param dataIova where the controller sees the data, a multiple of 4
     * @param dataBytes how much there is, which spans no more pages than the ring was made for; 0 for none
     * @param cdw10 CDW10, and CDW11 above it
     * @param cdw12 CDW12, and CDW13 above it
     */
    void queue(int slot, int opcode, int nsid, long dataIova, int dataBytes, long cdw10, long cdw12) {
        long entry = submissions + (long) (queued & mask) * SQE_SIZE;
        long cdw0 = Integer.toUnsignedLong(opcode | slot << CDW0_CID_SHIFT);
        RawMemory.putLong(entry, cdw0 | (long) nsid << Integer.SIZE);
        RawMemory.putLong(entry + 8, 0);
        RawMemory.putLong(entry + 16, 0);
        RawMemory.putLong(entry + SQE_PRP1, dataIova);
        RawMemory.putLong(entry + SQE_PRP2, secondPrp(slot, dataIova, dataBytes));
        RawMemory.putLong(entry + SQE_CDW10, cdw10);
        RawMemory.putLong(entry + SQE_CDW12, cdw12);
        RawMemory.putLong(entry + 56, 0);
        states[slot] = QUEUED;
        queuedAt[slot] = queued;
        queued++;
    }

    /** PRP2 (Base 4.1.1): nothing, the second page, or the list of all pages but the first. */
    private long secondPrp(int slot, long iova, int bytes) {
        long first = iova & -pageBytes;
        long last = bytes == 0 ? first : (iova + bytes - 1) & -pageBytes;
        long second = first + pageBytes;
        if (last <= second) {
            return last == second ? second : 0;
        }
        long at = list(slot);
        for (long page = second; page <= last; page += pageBytes) {
            RawMemory.putLong(at, page);
            at += Long.BYTES;
        }
        return listIova(slot);
    }

    /** Shows the controller what was queued since the last time. */
    void publish() {
        checkUsable();
        if (queued != published && tailDoorbell != null) {
            tailDoorbell.ring(queued & mask, published & mask);
            published = queued;
        }
    }

    /** Whether {@link #next} would find something. */
    boolean pending() {
        checkUsable();
        return isNew(RawMemory.getIntAcquire(entry() + CQE_DW3));
    }

    /**
     * Takes the next completion.
     *
     * @return its slot, or {@link #NONE} when there is none. It stays taken until {@link #give}
     * @throws ErrnoException EPROTO when it completes what is not in flight
     */
    int next() {
        // Loaded once, since the controller may change it at any moment; the rest of the entry is older than the phase.
        long entry = entry();
        int dw3 = RawMemory.getIntAcquire(entry + CQE_DW3);
        if (!isNew(dw3)) {
            return NONE;
        }
        int slot = dw3 & 0xffff;
        int queue = RawMemory.getInt(entry + CQE_DW2) >>> Short.SIZE;
        if (slot >= states.length || states[slot] != QUEUED || queuedAt[slot] - published >= 0 || queue != id) {
            throw broken("it completes command " + slot + " of queue " + queue + ", which is not in flight");
        }
        result = RawMemory.getInt(entry);
        status = dw3 >>> CQE_STATUS_SHIFT;
        head = (head + 1) & mask;
        if (head == 0) {
            phase ^= CQE_PHASE;
        }
        return slot;
    }

    /** Command specific result (DW0) of the last {@link #next}. */
    int result() {
        return result;
    }

    /** Status field of the last {@link #next}, without the phase. */
    int status() {
        return status;
    }

    void give(int slot) {
        states[slot] = FREE;
        free[freeCount++] = slot;
    }

    /** Tells the controller what was taken, when that is much. */
    void tellSome() {
        if (((head - told) & mask) >= (mask + 1) / 4) {
            tell();
        }
    }

    boolean await(long timeoutNs) {
        if (pending()) {
            return true;
        }
        if (interrupt.isEmpty()) {
            return awaitLooking(timeoutNs);
        }
        tell();
        long start = System.nanoTime();
        int fd = interrupt.get().value();
        boolean pending = false;
        long left = timeoutNs;
        while (!pending && left > 0) {
            // A signal that came before it was waited for ends the wait at once, and is taken then.
            Poll.poll(fd, Poll.POLLIN, left);
            EventFd.drain(fd);
            pending = pending();
            left = timeoutNs - (System.nanoTime() - start);
        }
        return pending;
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
        while (!pending()) {
            if (System.nanoTime() - start >= timeoutNs) {
                return false;
            }
            LockSupport.parkNanos(LOOK_NS);
        }
        return true;
    }

    /** Tells the controller what was taken. */
    void tell() {
        if (head != told && headDoorbell != null) {
            headDoorbell.ring(head, told);
            told = head;
        }
    }

    private long entry() {
        return completions + (long) head * CQE_SIZE;
    }

    private boolean isNew(int dw3) {
        return (dw3 & CQE_PHASE) == phase;
    }

    private void checkUsable() {
        if (!fault.isEmpty()) {
            throw failure();
        }
    }

    private ErrnoException failure() {
        return new ErrnoException(EPROTO, "NVMe queue " + id + " is given up: " + fault);
    }
}
