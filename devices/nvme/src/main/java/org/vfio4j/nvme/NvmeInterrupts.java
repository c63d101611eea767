package org.vfio4j.nvme;

import java.util.Objects;
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
    private final InterruptPin pin;
    private final int lane;

    // Set by the thread of the admin queues. One that is new before the others makes one interrupt early or late.
    private volatile int threshold;
    private volatile long timeNs;
    private volatile boolean[] notCoalesced;

    /** Whether the pin may be asserted for this thread. */
    private boolean usesPin;

    /** @param lane whose they are */
    NvmeInterrupts(int lane, Interrupts interrupts, InterruptPin pin, NvmeRegisters registers, int vectors) {
        this.lane = lane;
        this.interrupts = interrupts;
        this.pin = pin;
        this.registers = registers;
        notCoalesced = new boolean[vectors];
    }

    boolean isPin() {
        return !interrupts.msixEnabled();
    }

    InterruptPin pin() {
        return pin;
    }

    /** @param threshold 0's based entries; {@code time} in units of 100 us */
    void setCoalescing(int threshold, int time) {
        this.threshold = threshold;
        timeNs = time * TIME_UNIT_NS;
    }

    void setCoalescingDisabled(int vector, boolean disabled) {
        boolean[] before = notCoalesced;
        if (vector >= 0 && vector < before.length && before[vector] != disabled) {
            boolean[] now = before.clone();
            now[vector] = disabled;
            notCoalesced = now;
        }
    }

    void reset() {
        threshold = 0;
        timeNs = 0;
        notCoalesced = new boolean[notCoalesced.length];
        releasePin();
    }

    /**
     * By messages: one decision for each queue.
     *
     * @param now whether entries that wait to become more are reported as well
     * @return whether some entries go on waiting
     */
    boolean deliver(CompletionQueue[] queues, boolean now, IoTally tally) {
        releasePin();
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

    /**
     * Whether there is anything to {@link #drivePin drive}: not while the pin is down for this thread and every queue that interrupts is
     * empty. What the driver has consumed that nobody knows of yet only makes queues emptier.
     */
    boolean pinMatters(CompletionQueue[] queues) {
        boolean matters = usesPin;
        for (CompletionQueue queue : queues) {
            matters |= queue.interrupts && queue.used() != 0;
        }
        return matters;
    }

    /**
     * By INTx, from heads that were taken under the {@link InterruptPin}'s lock, which the caller still holds.
     *
     * @return whether entries wait for the driver to have had time to find them by itself
     */
    boolean drivePin(CompletionQueue[] queues, IoTally tally) {
        CompletionQueue cause = null;
        boolean waits = false;
        for (CompletionQueue queue : queues) {
            queue.unreported = 0;
            if (queue.interrupts && queue.used() != 0) {
                if (pin.mayAssert(lane, queue.id)) {
                    cause = queue;
                } else {
                    waits = true;
                }
            }
        }
        boolean asserted = cause != null && (registers.interruptMask() & 1) == 0;
        usesPin = asserted;
        if (pin.set(lane, asserted) && asserted) {
            tally.interrupts++;
            Objects.requireNonNull(cause).statistics.interrupted();
        }
        return waits && !asserted;
    }

    private void releasePin() {
        if (usesPin) {
            usesPin = false;
            pin.set(lane, false);
        }
    }
}
