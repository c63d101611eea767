package org.vfio4j.devicemodel;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Waits that an interrupt does not cut short; the thread stays interrupted. */
final class Waiting {

    private Waiting() {}

    /** Returns whether it was counted down in time. */
    static boolean forLatch(CountDownLatch done, long timeoutNs) {
        boolean interrupted = false;
        try {
            long deadline = System.nanoTime() + Math.min(timeoutNs, Long.MAX_VALUE >>> 1);
            while (true) {
                try {
                    return done.await(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Returns when it has ended. */
    static void forEnd(Thread ending) {
        boolean interrupted = false;
        while (ending.isAlive()) {
            try {
                ending.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
