package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.sys.Errno.ECANCELED;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * Serves queues slowly: one command alone, everything by {@link DmaWindow#read} and {@link DmaWindow#write}, for memory that is not
 * mapped. Since these may wait and put the window offline, nothing is in flight meanwhile and every queue is located anew afterwards.
 * Belongs to the queue thread.
 */
final class RemoteQueues {

    private final Lane lane;
    private final RingSearch search;
    private final Delivery delivery;
    private @Nullable Mapping scratch;

    RemoteQueues(Lane lane, RingSearch search, Delivery delivery) {
        this.lane = lane;
        this.search = search;
        this.delivery = delivery;
    }

    /** There is a thread. */
    void begin() {
        scratch = Mapping.anonymous(SQE_SIZE + CQE_SIZE);
    }

    void end() {
        Objects.requireNonNull(scratch).close();
        scratch = null;
    }

    private long scratch() {
        return Objects.requireNonNull(scratch).address();
    }

    /** Serves an I/O command alone. Returns 1, or 0 when that did not work out. */
    int serve(SubmissionQueue queue, DmaWindow window) {
        queue.slowly = false;
        long entry = scratch();
        if (!take(queue, window, entry)) {
            return 0;
        }
        int status = lane.openEngine().serveSlowly(queue, entry, window);
        if (!isDone(queue, window, status)) {
            return 0;
        }
        int error = post(queue, window, 0, RawMemory.getInt(entry) >>> CID_SHIFT, status);
        if (error != 0) {
            queue.putBack();
            search.lose(error);
            return 0;
        }
        queue.inFlight--;
        return 1;
    }

    /** The same with an admin command. */
    int serveAdmin(SubmissionQueue queue, AdminQueue admin, DmaWindow window) {
        long startNs = System.nanoTime();
        if (!take(queue, window, admin.entry())) {
            return 0;
        }
        int status = admin.execute(window, true);
        if (!isDone(queue, window, status)) {
            return 0;
        }
        queue.inFlight--;
        if (status == AdminHandler.HELD) {
            queue.completions.reserved--;
            return 1;
        }
        lane.tally.adminCommands++;
        admin.answered(queue, status, startNs);
        int cid = admin.command().cid();
        int dw0 = admin.command().result();
        int error = post(queue, window, Integer.toUnsignedLong(dw0), cid, status);
        if (error != 0) {
            // Not again: a queue that was created is there.
            queue.completions.reserved--;
            lane.controller().complete(cid, dw0, status);
            search.lose(error);
        }
        return 1;
    }

    /** With nothing in flight, has the command at the head at {@code entry}. Returns false when that did not work out. */
    private boolean take(SubmissionQueue queue, DmaWindow window, long entry) {
        delivery.drain(window);
        // What the driver mapped since the window was entered is seen only now.
        window.leave();
        window.enter();
        lane.forget();
        if (!queue.locate(window)) {
            search.lose();
            return false;
        }
        if (queue.completions.room() <= 0) {
            return false;
        }
        int error = window.read(queue.headIova(), entry, SQE_SIZE);
        if (error != 0) {
            search.lose(error);
            return false;
        }
        queue.take();
        return true;
    }

    /** Whether a command was carried out, and can be answered. Carrying it out twice does no harm: nobody has been told that it is done. */
    private boolean isDone(SubmissionQueue queue, DmaWindow window, int status) {
        lane.forget();
        if (status == DataPointer.CUT_SHORT || !queue.locate(window)) {
            queue.putBack();
            search.lose(status == DataPointer.CUT_SHORT ? -ECANCELED : 0);
            return false;
        }
        return true;
    }

    /** Posts a completion that has its place, whether or not the queue is mapped. Returns 0 or a negative errno. */
    int post(SubmissionQueue queue, DmaWindow window, long dw0, int cid, int status) {
        if (queue.completions.isRemote()) {
            int error =
                    queue.completions.postRemote(window, scratch() + SQE_SIZE, dw0, queue.id, queue.head, cid, status);
            lane.forget();
            return error;
        }
        queue.completions.post(dw0, queue.id, queue.head, cid, status);
        return 0;
    }
}
