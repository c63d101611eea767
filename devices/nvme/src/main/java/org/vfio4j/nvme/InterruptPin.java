package org.vfio4j.nvme;

import org.vfio4j.devicemodel.Interrupts;

/**
 * INTx of the whole function (NVMe over PCIe Transport 1.0, 3.5.1.1): asserted while some thread's completion queues have entries that
 * were not consumed.
 *
 * <p>A driver that writes the head of a queue takes the level down at once, and the thread raises it again if there is more. For a
 * hypervisor lets the next interrupt through as soon as that write is done; would it find the level still up it would interrupt a
 * driver that has nothing to do, and so writes nothing that could end the interrupt, until it happens to want something else.
 *
 * <p>So who writes a head does both under this object's lock, and a thread looks at the heads and decides under it. For any thread.
 */
final class InterruptPin {

    private final Interrupts interrupts;

    /** A bit for each queue thread that wants it. */
    private long asserting;

    InterruptPin(Interrupts interrupts) {
        this.interrupts = interrupts;
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
            interrupts.intx(wanted != 0);
        }
        return changed;
    }

    /** Nobody wants it, until a thread says so again. */
    synchronized void lower() {
        asserting = 0;
        interrupts.intx(false);
    }
}
