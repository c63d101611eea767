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
    private final IoTally tally;

    private int threshold;
    private long timeNs;
    private final boolean[] notCoalesced;
    private boolean pinAsserted;

    NvmeInterrupts(Interrupts interrupts, NvmeRegisters registers, IoTally tally, int vectors) {
        this.interrupts = interrupts;
        this.registers = registers;
        this.tally = tally;
        notCoalesced = new boolean[vectors];
    }

    int vectors() {
        return notCoalesced.length;
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
        setPin(false);
    }

    /**
     * One decision for each queue.
     *
     * @param now whether entries that wait to become more are reported as well
     * @return whether some entries go on waiting
     */
    boolean deliver(CompletionQueue[] queues, boolean now) {
        if (isPin()) {
            deliverPin(queues);
            return false;
        }
        if (pinAsserted) {
            setPin(false);
        }
        boolean waits = false;
        for (CompletionQueue queue : queues) {
            if (queue.unreported != 0) {
                waits |= !report(queue, now);
            }
        }
        return waits;
    }

    private boolean report(CompletionQueue queue, boolean now) {
        if (!now && isTooEarly(queue)) {
            return false;
        }
        queue.unreported = 0;
        queue.unreportedSinceNs = 0;
        if (queue.interrupts) {
            tally.interrupts++;
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

    private void deliverPin(CompletionQueue[] queues) {
        boolean level = false;
        boolean masked = (registers.interruptMask() & 1) != 0;
        for (CompletionQueue queue : queues) {
            queue.unreported = 0;
            level |= queue.interrupts && queue.used() != 0;
        }
        setPin(level && !masked);
    }

    private void setPin(boolean level) {
        if (level != pinAsserted) {
            pinAsserted = level;
            if (level) {
                tally.interrupts++;
            }
            interrupts.intx(level);
        }
    }
}
