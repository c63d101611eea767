package org.vfio4j.nvme;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.devicemodel.QueueThreads;

/** That a controller stands still, and what waits for its end. */
final class Suspension {

    private final Controller controller;
    private final QueueThreads threads;
    private final Queue<Runnable> postponed = new ConcurrentLinkedQueue<>();
    private final AtomicInteger count = new AtomicInteger();

    Suspension(Controller controller, QueueThreads threads) {
        this.controller = controller;
        this.threads = threads;
    }

    /** How many there were, the present one included. From any thread. */
    int count() {
        return count.get();
    }

    /** Returns when nothing is in flight, and all that waited for that has its answer. The function's thread. */
    void begin() {
        count.incrementAndGet();
        controller.setStopped(true);
        threads.callQuiesced(controller.errands()::settle);
    }

    /** The function's thread. */
    void end() {
        threads.callQuiesced(controller.doorbells()::settle);
        goOn();
    }

    /** The same, quiesced, and with the doorbells that it had. */
    void goOn() {
        controller.setStopped(false);
        for (Runnable task = postponed.poll(); task != null; task = postponed.poll()) {
            threads.runQuiesced(task);
        }
    }

    /** See {@link ControllerHooks#run}. */
    void run(Runnable task) {
        threads.runQuiesced(() -> {
            if (controller.isStopped()) {
                // Another controller may be going on with it.
                postponed.add(task);
            } else {
                task.run();
            }
        });
    }
}
