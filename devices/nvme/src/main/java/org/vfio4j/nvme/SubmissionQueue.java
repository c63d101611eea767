package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.CID_SHIFT;
import static org.vfio4j.nvme.NvmeSpec.SQE_SIZE;

import java.util.BitSet;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueStatistics;
import org.vfio4j.sys.RawMemory;

/** A submission queue (NVM Express Base 2.0, 3.3.1.1). Belongs to the queue thread that serves it. */
final class SubmissionQueue {

    final int id;
    final long iova;
    final int entries;
    final CompletionQueue completions;
    final QueueStatistics statistics;

    int head;

    /** Up to where the driver has filled it, checked. */
    int tail;

    /** A tail that the driver wrote and that made no sense. */
    int badTail = -1;

    /** Commands taken and not completed; those that are held do not count. */
    int inFlight;

    /** It is going, when nothing is in flight: nothing is taken any more. */
    boolean deleting;

    /** The next command must be served slowly. */
    boolean slowly;

    /** Whether it was asked to go, and by which command. These two belong to the thread of the admin queues. */
    boolean deletionWanted;

    int deletingCid;

    private long host;
    private boolean located;

    /** Entries between head and tail whose commands were aborted, and how many. */
    private final BitSet withdrawn = new BitSet();

    private int withdrawnCount;

    SubmissionQueue(int id, long iova, int entries, CompletionQueue completions, QueueStatistics statistics) {
        this.id = id;
        this.iova = iova;
        this.entries = entries;
        this.completions = completions;
        this.statistics = statistics;
    }

    /** Commands that the driver has put in and that are neither taken nor aborted. */
    int waiting() {
        return Math.max(0, from(head) - withdrawnCount);
    }

    private int from(int index) {
        int waiting = tail - index;
        return waiting < 0 ? waiting + entries : waiting;
    }

    /** The place of a command that waits, or -1. Only of a queue in memory that is mapped. */
    int find(int cid) {
        for (int index = head; index != tail; index = next(index)) {
            if (!withdrawn.get(index) && RawMemory.getInt(host + (long) index * SQE_SIZE) >>> CID_SHIFT == cid) {
                return index;
            }
        }
        return -1;
    }

    /** A command that waits is aborted: it is not going to be taken. */
    void withdraw(int index) {
        withdrawn.set(index);
        withdrawnCount++;
        pass();
    }

    /** The places of commands that were aborted, for another controller's queue to {@link #withdraw}. */
    int[] withdrawn() {
        return withdrawn.stream().toArray();
    }

    /** Passes over what was aborted: a driver whose queue is full must hear that there is room. */
    void pass() {
        while (withdrawnCount != 0 && withdrawn.get(head)) {
            withdrawn.clear(head);
            withdrawnCount--;
            head = next(head);
        }
    }

    private int next(int index) {
        return index + 1 == entries ? 0 : index + 1;
    }

    /** The driver says how far it has filled the queue. Returns false for an entry that there is not. */
    boolean submit(int to) {
        if (Integer.compareUnsigned(to, entries) >= 0) {
            return false;
        }
        tail = to;
        return true;
    }

    /** Whether it and its completion queue were found. */
    boolean isLocated() {
        return located && completions.isLocated();
    }

    /** Whether commands or completions are reached by {@link DmaWindow#read} and {@link DmaWindow#write} only. */
    boolean isRemote() {
        return host == 0 || completions.isRemote();
    }

    void forget() {
        located = false;
        completions.forget();
    }

    boolean locate(DmaWindow window) {
        long at = window.translate(iova, (long) entries * SQE_SIZE, DmaSpace.READ);
        located = at >= 0;
        host = located ? at : 0;
        return completions.locate(window) && located;
    }

    /** Where the command at the head is, of memory that is mapped. */
    long headAddress() {
        return host + (long) head * SQE_SIZE;
    }

    long headIova() {
        return iova + (long) head * SQE_SIZE;
    }

    /** Takes the command at the head, which was not aborted; it has a place for its completion. */
    void take() {
        head = next(head);
        inFlight++;
        completions.reserved++;
    }

    /** Puts back the one that was taken last. */
    void putBack() {
        head = head == 0 ? entries - 1 : head - 1;
        inFlight--;
        completions.reserved--;
    }
}
