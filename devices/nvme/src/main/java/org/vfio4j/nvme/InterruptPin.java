package org.vfio4j.nvme;

import java.util.function.LongSupplier;

/**
 * INTx of the whole function (NVMe over PCIe Transport 1.0, 3.5.1.1): asserted while some thread's completion queues have entries that
 * were not consumed, and not while the driver is probably about to consume them.
 *
 * <p>A hypervisor without a way to see the end of an interrupt takes any access to a BAR for it, lets the next one through, and
 * interrupts for what it is told even if the driver has found that in the meantime. Such an interrupt does not end: the driver has
 * nothing to do, and writes nothing, until it happens to want something else. So:
 *
 * <ul>
 *   <li>A driver that writes the head of a queue takes the level down at once, and the thread raises it again if there is more: at once
 *       for that queue, and for others after the time in which a handler comes to them by itself.
 *   <li>A driver that submits while the level is up has another processor on the way to the handler, and the interrupt would only be lost where
 *       one was about to end. The level is down until a head is written, or none has been for a long time.
 * </ul>
 *
 * <p>Who writes a doorbell does both under this object's lock, and a thread looks at the heads and decides under it. For any thread.
 */
final class InterruptPin {

    /** In which a handler goes from one queue to the next. Some interrupts are late by that much. */
    private static final long HANDLER_NS = 100_000;

    /** In which a handler begins, also where there are fewer processors than busy threads of the hypervisor. */
    private static final long ENTRY_NS = 2_000_000;

    private static final int NO_QUEUE = -1;

    /** Where the level goes. */
    @FunctionalInterface
    interface Wire {
        void drive(boolean level);
    }

    private final Wire wire;
    private final LongSupplier nanoTime;

    /** A bit for each queue thread that wants it. */
    private long asserting;

    private int consumedQueue = NO_QUEUE;
    private long notBeforeNs;

    /** Whether a tail has taken the level down, behind which no head has come. */
    private boolean lowered;

    /** @param nanoTime as System.nanoTime */
    InterruptPin(Wire wire, LongSupplier nanoTime) {
        this.wire = wire;
        this.nanoTime = nanoTime;
        notBeforeNs = nanoTime.getAsLong();
    }

    /**
     * What one thread wants from now on.
     *
     * @return whether that is new
     */
    synchronized boolean set(int lane, boolean asserted) {
        long bit = 1L << lane;
        long wanted = asserted ? asserting | bit : asserting & ~bit;
        boolean changed = wanted != asserting;
        asserting = wanted;
        if (changed) {
            wire.drive(wanted != 0);
        }
        return changed;
    }

    /** The driver has consumed entries of a queue of {@code lane}: in a handler if the level was up, else by polling. */
    synchronized void consumed(int lane, int queue) {
        consumedQueue = queue;
        if (asserting != 0 || lowered) {
            notBeforeNs = nanoTime.getAsLong() + HANDLER_NS;
            lowered = false;
        }
        set(lane, false);
    }

    /**
     * The driver has submitted something.
     *
     * @return whether that has taken the level down: every thread then looks whether to raise it again
     */
    synchronized boolean submitted() {
        boolean up = asserting != 0;
        if (up) {
            consumedQueue = NO_QUEUE;
            notBeforeNs = nanoTime.getAsLong() + ENTRY_NS;
            lowered = true;
            lower();
        }
        return up;
    }

    /** Whether entries of a queue of {@code lane} may assert the pin, or keep it asserted. */
    synchronized boolean mayAssert(int lane, int queue) {
        return queue == consumedQueue || (asserting >>> lane & 1) != 0 || nanoTime.getAsLong() - notBeforeNs >= 0;
    }

    /** Nobody wants it, until a thread says so again. */
    synchronized void lower() {
        asserting = 0;
        wire.drive(false);
    }
}
