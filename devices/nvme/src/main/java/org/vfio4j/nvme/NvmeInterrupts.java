package org.vfio4j.nvme;

import java.util.Arrays;
import org.vfio4j.devicemodel.Interrupts;

/**
 * When a completion queue interrupts (NVMe over PCIe Transport 1.0, 3.5): by MSI-X, once for a batch of entries and less often where
 * the driver wants that; else by the level of INTx, as long as some queue has entries that were not consumed. Belongs to the queue
 * thread.
 */
final class NvmeInterrupts {

    private static final long TIME_UNIT_NS = 100_000;

    private final Interrupts interrupts;
    private final NvmeRegisters registers;
    private final Pin pin;

    private int threshold;
    private long timeNs;
    private final boolean[] notCoalesced;
    private boolean pinAsserted;

    /** INTx of the whole function: asserted while some thread's queues want that. */
    static final class Pin {

        private final Interrupts interrupts;
        private int asserting;

        Pin(Interrupts interrupts) {
            this.interrupts = interrupts;
        }

        /** One more thread, or one less, that wants it. */
        private synchronized void change(boolean asserted) {
            int before = asserting;
            asserting += asserted ? 1 : -1;
            if ((before == 0) != (asserting == 0)) {
                interrupts.intx(asserted);
            }
        }
    }

    NvmeInterrupts(Interrupts interrupts, Pin pin, NvmeRegisters registers, int vectors) {
        this.interrupts = interrupts;
        this.pin = pin;
        this.registers = registers;
        notCoalesced = new boolean[vectors];
    }

    boolean isPin() {
        return !interrupts.msixEnabled();
    }

    /** @param threshold 0's based entries; {@code time} in units of 100 us */
    void setCoalescing(int threshold, int time) {
        this.threshold = threshold;
        timeNs = time * TIME_UNIT_NS;
    }

    void setCoalescingDisabled(int vector, boolean disabled) {
        if (vector >= 0 && vector < notCoalesced.length) {
            notCoalesced[vector] = disabled;
        }
    }

    void reset() {
        threshold = 0;
        timeNs = 0;
        Arrays.fill(notCoalesced, false);
        if (pinAsserted) {
            pinAsserted = false;
            pin.change(false);
        }
    }

    /**
     * One decision for each queue.
     *
     * @param now whether entries that wait to become more are reported as well
     * @return whether some entries go on waiting
     */
    boolean deliver(CompletionQueue[] queues, boolean now, IoTally tally) {
        if (isPin()) {
            deliverPin(queues, tally);
            return false;
        }
        if (pinAsserted) {
            setPin(false, tally);
        }
        boolean waits = false;
        for (CompletionQueue queue : queues) {
            if (queue.unreported != 0) {
                waits |= !report(queue, now, tally);
            }
        }
        return waits;
    }

    private boolean report(CompletionQueue queue, boolean now, IoTally tally) {
        if (!now && isTooEarly(queue)) {
            return false;
        }
        queue.unreported = 0;
        queue.unreportedSinceNs = 0;
        if (queue.interrupts) {
            tally.interrupts++;
            queue.statistics.interrupted();
            interrupts.message(queue.vector);
        }
        return true;
    }

    /** Base 5.27.1.6: neither enough entries nor enough time. The admin queue is never coalesced. */
    private boolean isTooEarly(CompletionQueue queue) {
        if (threshold == 0 || timeNs == 0 || queue.id == 0 || notCoalesced[queue.vector]) {
            return false;
        }
        if (queue.unreported > threshold) {
            return false;
        }
        long time = System.nanoTime();
        if (queue.unreportedSinceNs == 0) {
            queue.unreportedSinceNs = time;
        }
        return time - queue.unreportedSinceNs < timeNs;
    }

    private void deliverPin(CompletionQueue[] queues, IoTally tally) {
        boolean level = false;
        boolean masked = (registers.interruptMask() & 1) != 0;
        for (CompletionQueue queue : queues) {
            queue.unreported = 0;
            level |= queue.interrupts && queue.used() != 0;
        }
        setPin(level && !masked, tally);
    }

    private void setPin(boolean level, IoTally tally) {
        if (level != pinAsserted) {
            pinAsserted = level;
            if (level) {
                tally.interrupts++;
            }
            pin.change(level);
        }
    }
}
