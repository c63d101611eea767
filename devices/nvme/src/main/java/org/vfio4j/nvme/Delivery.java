package org.vfio4j.nvme;

import org.vfio4j.bus.DmaWindow;

/** How a queue thread's driver hears of its completions: one interrupt for a batch of them. Belongs to that thread. */
final class Delivery {

    private final Lane lane;
    private final DoorbellReader doorbells;

    Delivery(Lane lane, DoorbellReader doorbells) {
        this.lane = lane;
        this.doorbells = doorbells;
    }

    /**
     * Interrupts for what was posted.
     *
     * @param now whether entries that wait to become more are reported as well
     * @return whether some entries go on waiting
     */
    boolean deliver(DmaWindow window, boolean now) {
        CompletionQueue[] queues = lane.completions();
        for (CompletionQueue queue : queues) {
            queue.markDirty(window);
        }
        if (lane.interrupts.isPin()) {
            return lane.interrupts.pinMatters(queues) && doorbells.drivePin(queues, window);
        }
        lane.interrupts.deliver(queues, now, lane.tally);
        return false;
    }

    /** Waits for what is in flight, and tells of all. */
    void drain(DmaWindow window) {
        IoEngine engine = lane.engine();
        if (engine != null && engine.inFlight() != 0) {
            if (lane.controller().discards()) {
                lane.aborts.takeBack(null, NvmeStatus.COMMAND_ABORT_REQUESTED);
            }
            engine.drain();
        }
        deliver(window, true);
    }
}
