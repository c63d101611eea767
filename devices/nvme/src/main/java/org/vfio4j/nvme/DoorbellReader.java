package org.vfio4j.nvme;

import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/**
 * What the driver has written of a queue thread's doorbells, shadowed or not: how far a queue is filled, and its completions consumed.
 * Belongs to that thread.
 */
final class DoorbellReader {

    private final Lane lane;
    private final Controller controller;
    private final ShadowDoorbells shadow;

    DoorbellReader(Lane lane) {
        this.lane = lane;
        controller = lane.controller();
        shadow = lane.shadow;
    }

    /** Takes what there is of a queue and its completion queue. Returns false when the memory of shadow doorbells is not there. */
    boolean take(SubmissionQueue queue, DmaWindow window) {
        boolean shadowed = queue.id != 0 && shadow.isConfigured();
        if (shadowed && !locateShadow(window)) {
            return false;
        }
        int tail = doorbell(Doorbells.tailOf(queue.id), shadowed);
        if (tail != queue.tail && tail != queue.badTail) {
            boolean makesSense = queue.submit(tail);
            queue.badTail = makesSense ? -1 : tail;
            report(makesSense);
        }
        queue.pass();
        if (queue.waiting() != 0
                || (queue.id == 0 && !controller.heldCompletions().isEmpty())) {
            report(takeHead(queue.completions, shadowed));
        }
        return true;
    }

    /** Returns false for a new head that makes no sense. */
    private boolean takeHead(CompletionQueue queue, boolean shadowed) {
        int head = doorbell(Doorbells.headOf(queue.id), shadowed);
        if (head == queue.head || head == queue.badHead) {
            return true;
        }
        boolean makesSense = queue.consume(head);
        queue.badHead = makesSense ? -1 : head;
        return makesSense;
    }

    private void report(boolean makesSense) {
        if (!makesSense) {
            controller.invalidDoorbellValue(lane);
        }
    }

    /** INTx stands for what was not consumed, also of a completion queue that no submission queue has any more. */
    boolean drivePin(CompletionQueue[] queues, DmaWindow window) {
        boolean makeSense = true;
        boolean waits;
        synchronized (lane.interrupts.pin()) {
            for (CompletionQueue queue : queues) {
                if (queue.id == 0 || !shadow.isConfigured()) {
                    makeSense &= takeHead(queue, false);
                } else if (locateShadow(window)) {
                    makeSense &= takeShadowHead(queue, window);
                }
            }
            waits = lane.interrupts.drivePin(queues, lane.tally);
        }
        report(makeSense);
        return waits;
    }

    /**
     * Before the pin is asserted the driver knows that it is to ring when it has consumed something: that ends the interrupt. Each
     * round but the first has found something consumed.
     */
    private boolean takeShadowHead(CompletionQueue queue, DmaWindow window) {
        boolean makesSense = takeHead(queue, true);
        int doorbell = Doorbells.headOf(queue.id);
        while (queue.used() != 0 && !shadow.hasEvent(doorbell, queue.head)) {
            shadow.setEvent(doorbell, queue.head, window);
            RawMemory.fullFence();
            makesSense &= takeHead(queue, true);
        }
        return makesSense;
    }

    /** Has the driver ring whatever it writes into shadow doorbells from now on. Returns false when there are none. */
    boolean askForRings(DmaWindow window) {
        if (!shadow.isConfigured() || !locateShadow(window)) {
            return false;
        }
        for (SubmissionQueue queue : lane.submissions()) {
            shadow.setEvent(Doorbells.tailOf(queue.id), queue.tail, window);
        }
        for (CompletionQueue queue : lane.completions()) {
            if (queue.id != 0) {
                shadow.setEvent(Doorbells.headOf(queue.id), queue.head, window);
            }
        }
        // The driver writes its doorbell and then looks at the index; this looks the other way round.
        RawMemory.fullFence();
        return true;
    }

    /** Whether shadow doorbells say something that was not taken. */
    boolean hasShadowNews() {
        for (SubmissionQueue queue : lane.submissions()) {
            int tail = shadow.get(Doorbells.tailOf(queue.id));
            if ((tail != queue.tail && tail != queue.badTail)
                    || (queue.waiting() != 0 && hasNewHead(queue.completions))) {
                return true;
            }
        }
        if (lane.interrupts.isPin()) {
            for (CompletionQueue queue : lane.completions()) {
                if (queue.id != 0 && hasNewHead(queue)) {
                    return true;
                }
            }
        }
        return false;
    }

    private boolean hasNewHead(CompletionQueue queue) {
        int head = shadow.get(Doorbells.headOf(queue.id));
        return head != queue.head && head != queue.badHead;
    }

    private int doorbell(int index, boolean shadowed) {
        return shadowed ? shadow.get(index) : controller.doorbells().get(index);
    }

    private boolean locateShadow(DmaWindow window) {
        return shadow.isLocated() || shadow.locate(window);
    }
}
