package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeStatus.COMMAND_ABORT_REQUESTED;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;

/**
 * Abort (NVM Express Base 2.0, 5.1) of commands of I/O queues. The thread that has the admin queues asks, and the thread that has the
 * command's queue carries it out. A command that was not taken from its queue is completed there and passed over later. One that the
 * storage has is completed when the storage gives it back; what the storage does not give back stays under way, since it may still be
 * reading or writing the driver's memory. An Abort is answered after the command that it was about.
 */
final class Aborts {

    /** No Abort waits for a command: {@link IoSlots#abortedBy}. */
    static final int NOBODY = -1;

    private final Lane lane;

    Aborts(Lane lane) {
        this.lane = lane;
    }

    /**
     * Has a command aborted. From the thread that has the admin queues.
     *
     * @param by the Abort's own identifier
     */
    void ask(int sqid, int cid, int by) {
        lane.ask(window -> carryOut(sqid, cid, by, window));
    }

    void answer(int by, boolean aborted) {
        lane.controller().errands().abortDone(by, aborted);
    }

    /**
     * Takes back what the storage gives back.
     *
     * @param of commands of this queue, or of all
     * @param status what they end with
     */
    void takeBack(@Nullable SubmissionQueue of, int status) {
        IoEngine engine = lane.engine();
        if (engine == null || engine.inFlight() == 0) {
            return;
        }
        IoSlots slots = engine.slots();
        for (int slot = 0; slot < slots.count(); slot++) {
            SubmissionQueue queue = slots.queue[slot];
            if (queue != null && (of == null || of == queue)) {
                takeBack(slots, slot, status);
            }
        }
    }

    private void carryOut(int sqid, int cid, int by, @Nullable DmaWindow window) {
        SubmissionQueue queue = lane.submission(sqid);
        if (queue == null || window == null) {
            answer(by, false);
            return;
        }
        IoEngine engine = lane.engine();
        int slot = engine == null ? IoSlots.NONE : engine.slots().find(queue, cid);
        if (slot == IoSlots.NONE) {
            answer(by, withdraw(queue, cid, window));
            return;
        }
        IoSlots slots = Objects.requireNonNull(engine).slots();
        boolean comes = takeBack(slots, slot, COMMAND_ABORT_REQUESTED);
        if (comes && slots.abortedBy[slot] == NOBODY) {
            slots.abortedBy[slot] = by;
        } else {
            answer(by, false);
        }
    }

    /** If not, the command ends behind the step that it is at, or when the storage gives up by itself. */
    private static boolean takeBack(IoSlots slots, int slot, int status) {
        slots.abortStatus[slot] = status;
        return Objects.requireNonNull(slots.blocks[slot]).cancel(slot);
    }

    /** Completes a command that the driver has put into the queue and nobody has taken. Returns whether it is there, and can be. */
    private boolean withdraw(SubmissionQueue queue, int cid, DmaWindow window) {
        if (queue.completions.room() <= 0 || !(queue.isLocated() || queue.locate(window)) || queue.isRemote()) {
            return false;
        }
        int index = queue.find(cid);
        if (index < 0) {
            return false;
        }
        queue.withdraw(index);
        lane.controller().failed(lane, queue.id, cid, COMMAND_ABORT_REQUESTED, 0, 0);
        queue.completions.reserved++;
        queue.completions.post(0, queue.id, queue.head, cid, COMMAND_ABORT_REQUESTED);
        return true;
    }
}
