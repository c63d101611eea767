package org.vfio4j.nvme;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.sys.Mapping;

/**
 * The I/O commands in flight, a slot for each: what is known of it, and native memory for its iovecs and the IOVAs of these, or for
 * its ranges. A slot's number is the storage's tag. Belongs to the queue thread.
 *
 * <p>Half of the slots are shared by who comes first, the other half is divided among the submission queues, so that one whose
 * storage stands still does not hold up the others.
 */
final class IoSlots implements AutoCloseable {

    /** {@code struct iovec {void *base; size_t len;}}. */
    static final int IOVEC_SIZE = 16;

    /** Pieces of data of one command: what every PRP list needs, and most SGLs. 256 ranges fit as well. */
    static final int MAX_PIECES = 256;

    /** {@link #find}: there is none. */
    static final int NONE = -1;

    private static final int IOVECS_BYTES = IOVEC_SIZE * MAX_PIECES;
    private static final int SLOT_BYTES = IOVECS_BYTES + Long.BYTES * MAX_PIECES;

    /** Whose command it is; null while it is free. */
    final @Nullable SubmissionQueue[] queue;

    final @Nullable BlockQueue[] blocks;
    final @Nullable Namespace[] namespace;
    final int[] cid;
    final int[] nsid;

    /** When its command was seen. */
    final long[] startNs;

    final int[] opcode;
    final long[] slba;
    final int[] bytes;
    final int[] expected;

    /** What the storage is at is not reading: a flush is not, either, whatever command it belongs to. */
    final boolean[] writes;

    /** Pieces that the storage writes for the driver. */
    final int[] writtenPieces;

    /** The command is complete only when what it has written is stable, and is not yet. */
    final boolean[] flushes;

    final int[] rangesLeft;
    final int[] rangesDone;

    /** What it ends with if the storage gives it back; 0 while nobody wants it back. */
    final int[] abortStatus;

    /** The Abort that is to be answered behind it, or {@link Aborts#NOBODY}. */
    final int[] abortedBy;

    private final int[] free;
    private final Mapping memory;
    private int freeCount;
    private int share;
    private int unusedShares;

    IoSlots(int count) {
        queue = new @Nullable SubmissionQueue[count];
        blocks = new @Nullable BlockQueue[count];
        namespace = new @Nullable Namespace[count];
        cid = new int[count];
        nsid = new int[count];
        startNs = new long[count];
        opcode = new int[count];
        slba = new long[count];
        bytes = new int[count];
        expected = new int[count];
        writes = new boolean[count];
        writtenPieces = new int[count];
        flushes = new boolean[count];
        rangesLeft = new int[count];
        rangesDone = new int[count];
        abortStatus = new int[count];
        abortedBy = new int[count];
        Arrays.fill(abortedBy, Aborts.NOBODY);
        memory = Mapping.anonymous((long) SLOT_BYTES * count);
        free = new int[count];
        for (int i = 0; i < count; i++) {
            free[i] = count - 1 - i;
        }
        freeCount = count;
    }

    int count() {
        return free.length;
    }

    /** The slot of a queue's command that is under way, or {@link #NONE}. */
    int find(SubmissionQueue of, int cid) {
        for (int slot = 0; slot < queue.length; slot++) {
            if (queue[slot] == of && this.cid[slot] == cid) {
                return slot;
            }
        }
        return NONE;
    }

    /** Divides anew. */
    void share(SubmissionQueue[] queues) {
        share = free.length / 2 / Math.max(1, queues.length);
        unusedShares = 0;
        for (SubmissionQueue each : queues) {
            unusedShares += Math.max(0, share - each.inFlight);
        }
    }

    /** How many commands of a queue may be taken. */
    int available(SubmissionQueue of) {
        int own = Math.max(0, share - of.inFlight);
        return Math.min(freeCount, own + Math.max(0, freeCount - unusedShares));
    }

    /** Only when there is one {@link #available}. The slot given back last comes first: its memory is warm. */
    int take(SubmissionQueue of) {
        // The queue has counted the command already.
        if (of.inFlight <= share) {
            unusedShares--;
        }
        return free[--freeCount];
    }

    /** After the queue has stopped counting the command. */
    void give(int slot, SubmissionQueue of) {
        if (of.inFlight < share) {
            unusedShares++;
        }
        queue[slot] = null;
        free[freeCount++] = slot;
    }

    /** Where the slot's native memory begins. */
    long memory(int slot) {
        return memory.address() + (long) SLOT_BYTES * slot;
    }

    /** Where the IOVAs of the slot's iovecs begin. */
    long iovas(int slot) {
        return memory(slot) + IOVECS_BYTES;
    }

    @Override
    public void close() {
        memory.close();
    }
}
