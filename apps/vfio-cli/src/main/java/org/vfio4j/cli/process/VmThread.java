package org.vfio4j.cli.process;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EPERM;

import java.io.IOException;
import java.lang.System.Logger.Level;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.ThreadStat;
import org.vfio4j.sys.TimeSlice;

/**
 * The JVM's thread that does what all others stand still for: garbage collection (Serial's), and other safepoints. Beside guests that poll
 * it would wait for a processor as they do, 3 ms and more for a millisecond of work, and everybody whom this process serves with it.
 */
public final class VmThread {

    private static final String NAME = "VM Thread";
    private static final int MOST = -20;
    private static final System.Logger LOG = System.getLogger(VmThread.class.getName());

    private VmThread() {}

    /**
     * From now on it has a processor as soon as it has something to do: it asks for the shortest turns (Linux 6.12), and is the most
     * important thread if the process may have such (CAP_SYS_NICE). It is idle but for a few milliseconds now and then.
     */
    public static void goFirst() {
        try {
            for (ThreadStat thread : ThreadStat.all()) {
                if (is(thread)) {
                    goFirst(thread);
                }
            }
        } catch (IOException | ErrnoException e) {
            LOG.log(Level.DEBUG, "the VM thread has no precedence: {0}", e.getMessage());
        }
    }

    private static void goFirst(ThreadStat thread) {
        try {
            TimeSlice.set(thread.tid(), MOST, TimeSlice.SHORTEST_NS);
        } catch (ErrnoException e) {
            if (e.errno() != EPERM && e.errno() != EACCES) {
                throw e;
            }
            TimeSlice.set(thread.tid(), thread.nice(), TimeSlice.SHORTEST_NS);
        }
    }

    /** Whether a thread is the one. */
    static boolean is(ThreadStat thread) {
        return thread.name().equals(NAME);
    }
}
