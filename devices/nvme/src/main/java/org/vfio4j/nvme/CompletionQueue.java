package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueStatistics;
import org.vfio4j.sys.RawMemory;

/**
 * A completion queue (NVM Express Base 2.0, 3.3.1.2). Each command that is taken from a submission queue has reserved its place here
 * before, so that there is one whenever it is done. Belongs to the queue thread that serves it.
 */
final class CompletionQueue {

    /** {@link #host}: reached by {@link DmaWindow#write} only. */
    private static final long REMOTE = 0;

    final int id;
    final long iova;
    final int entries;
    final int vector;
    final boolean interrupts;
    final QueueStatistics statistics;

    int head;
    int tail;
    int phase = 1;

    /** Places that commands under way have. */
    int reserved;

    /** Submission queues that complete here, and how many of them are about to go. These and the next two belong to the thread of the admin queues. */
    int users;

    int leavers;

    /** Whether this was asked to go, and by which command. */
    boolean deletionWanted;

    int deletingCid;

    /** Entries since the last interrupt, and since when the first of them waits. */
    int unreported;

    long unreportedSinceNs;

    /** A head that the driver wrote and that made no sense. */
    int badHead = -1;

    private long host;
    private boolean located;

    /** Entries put into mapped memory since {@link #markDirty}, the last of which is before the tail. */
    private int unmarked;

    CompletionQueue(int id, long iova, int entries, int vector, boolean interrupts, QueueStatistics statistics) {
        this.id = id;
        this.iova = iova;
        this.entries = entries;
        this.vector = vector;
        this.interrupts = interrupts;
        this.statistics = statistics;
    }

    /** Entries that the driver has not consumed. */
    int used() {
        int used = tail - head;
        return used < 0 ? used + entries : used;
    }

    /** How many commands may be taken whose completions have a place. */
    int room() {
        return entries - 1 - used() - reserved;
    }

    /** The driver says that it has consumed up to {@code to}. Returns false when it cannot have. */
    boolean consume(int to) {
        if (Integer.compareUnsigned(to, entries) >= 0) {
            return false;
        }
        int consumed = to - head;
        if ((consumed < 0 ? consumed + entries : consumed) > used()) {
            return false;
        }
        head = to;
        return true;
    }

    /** Where another controller's queue was. */
    void load(int head, int tail, int phase) {
        this.head = head;
        this.tail = tail;
        this.phase = phase;
    }

    boolean isLocated() {
        return located;
    }

    boolean isRemote() {
        return host == REMOTE;
    }

    void forget() {
        located = false;
    }

    /** Finds the entries in the window's present state. Returns false when some are not there. */
    boolean locate(DmaWindow window) {
        long at = window.translate(iova, (long) entries * CQE_SIZE, DmaSpace.WRITE);
        located = at >= 0;
        // The phase is stored with what it vouches for, which needs natural alignment.
        host = located && (at & (Long.BYTES - 1)) == 0 ? at : REMOTE;
        return located;
    }

    /** Puts an entry into memory that is mapped, and uses up a place that is reserved. */
    void post(long dw0, int sqid, int sqhd, int cid, int status) {
        long at = host + (long) tail * CQE_SIZE;
        RawMemory.putLong(at, dw0);
        RawMemory.putLongRelease(
                at + CQE_DW2,
                Integer.toUnsignedLong(sqhd | (sqid << 16)) | ((long) dword3(cid, status) << Integer.SIZE));
        unmarked++;
        advance();
    }

    /**
     * Puts an entry into memory that is not mapped, and uses up a place that is reserved.
     *
     * @param scratch where {@link NvmeSpec#CQE_SIZE} bytes are free
     * @return 0 or a negative errno, when nothing has happened
     */
    int postRemote(DmaWindow window, long scratch, long dw0, int sqid, int sqhd, int cid, int status) {
        RawMemory.putLong(scratch, dw0);
        RawMemory.putInt(scratch + CQE_DW2, sqhd | (sqid << 16));
        RawMemory.putInt(scratch + CQE_DW3, dword3(cid, status));
        long at = iova + (long) tail * CQE_SIZE;
        int error = window.write(at, scratch, CQE_DW3);
        if (error == 0) {
            // The phase comes last.
            error = window.write(at + CQE_DW3, scratch + CQE_DW3, Integer.BYTES);
        }
        if (error == 0) {
            advance();
        }
        return error;
    }

    /** Tells of the entries that were put into mapped memory since the last time. */
    void markDirty(DmaWindow window) {
        if (unmarked == 0) {
            return;
        }
        // A driver that consumes at once may have had more of them than the queue has places.
        int count = Math.min(unmarked, entries);
        int first = tail - count;
        if (first < 0) {
            window.markDirty(iova + (long) (first + entries) * CQE_SIZE, (long) -first * CQE_SIZE);
            count = tail;
            first = 0;
        }
        if (count > 0) {
            window.markDirty(iova + (long) first * CQE_SIZE, (long) count * CQE_SIZE);
        }
        unmarked = 0;
    }

    private int dword3(int cid, int status) {
        return cid | (phase << 16) | (status << 17);
    }

    private void advance() {
        reserved--;
        unreported++;
        if (++tail == entries) {
            tail = 0;
            phase ^= 1;
        }
        if (tail == badHead) {
            // After a recovery the driver may have consumed what is posted once more.
            badHead = -1;
        }
    }
}
