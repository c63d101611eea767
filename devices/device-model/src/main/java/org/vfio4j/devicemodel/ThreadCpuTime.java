package org.vfio4j.devicemodel;

import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.CpuClock;
import org.vfio4j.sys.ErrnoException;

/** How long the threads that one after the other did some work have had a processor. Any thread may ask. */
final class ThreadCpuTime {

    private @Nullable CpuClock running;
    private long endedNs;

    /** The calling thread begins, or goes on after all. */
    synchronized void begin() {
        try {
            CpuClock clock = CpuClock.ofThread();
            endedNs -= clock.ns();
            running = clock;
        } catch (ErrnoException e) {
            // Without /proc the work goes on, and nobody learns what it costs.
            running = null;
        }
    }

    /** The thread that began ends. */
    synchronized void end() {
        endedNs = ns();
        running = null;
    }

    synchronized long ns() {
        CpuClock clock = running;
        return clock == null ? endedNs : endedNs + clock.ns();
    }
}
