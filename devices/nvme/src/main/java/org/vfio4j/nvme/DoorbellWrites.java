package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.DOORBELL_SIZE;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.devicemodel.Interrupts;
import org.vfio4j.devicemodel.QueueThreads;

/** Writes of doorbells that are trapped: they reach the page, and wake the thread whose queue it is. The function's thread. */
final class DoorbellWrites {

    private final Controller controller;
    private final Interrupts interrupts;
    private final List<NvmeWork> works;
    private final QueueThreads threads;
    private final AtomicLong count = new AtomicLong();

    /** @param works by the number of their thread */
    DoorbellWrites(Controller controller, Interrupts interrupts, List<NvmeWork> works, QueueThreads threads) {
        this.controller = controller;
        this.interrupts = interrupts;
        this.works = works;
        this.threads = threads;
    }

    /** How many there were. From any thread. */
    long count() {
        return count.get();
    }

    /**
     * A doorbell is written. Narrower writes are no doorbells' (PCIe 3.1.2.1).
     *
     * @param offset from the first doorbell, in bytes
     */
    void ring(int offset, int value) {
        int doorbell = offset / DOORBELL_SIZE;
        if (!controller.registers().isReady()) {
            return;
        }
        int lane = controller.doorbells().laneOf(doorbell);
        if (lane == Doorbells.NO_QUEUE) {
            controller.invalidDoorbellRegister();
            return;
        }
        controller.setUp().rung(doorbell, value);
        set(doorbell, lane, value);
        count.incrementAndGet();
        if (doorbell % 2 == 0) {
            controller.statistics(doorbell / 2).notified();
        }
        works.get(lane).doorbellRung();
        threads.wake(lane);
    }

    /** As {@link InterruptPin} says. */
    private void set(int doorbell, int lane, int value) {
        if (interrupts.msixEnabled()) {
            controller.doorbells().set(doorbell, value);
            return;
        }
        boolean lowered = false;
        synchronized (controller.pin()) {
            controller.doorbells().set(doorbell, value);
            if (doorbell % 2 == 0) {
                lowered = controller.pin().submitted();
            } else {
                controller.pin().consumed(lane, doorbell / 2);
            }
        }
        if (lowered) {
            threads.wakeAll();
        }
    }
}
