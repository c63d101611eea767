package org.vfio4j.cli.process;

import static org.vfio4j.sys.Errno.EPERM;
import static org.vfio4j.sys.Errno.ESRCH;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.ThreadStat;
import org.vfio4j.sys.TimeSlice;

/**
 * For the moment in which guests wait, this process's threads go before those of others. Guests that poll for what they wait for would
 * otherwise keep it from them until the scheduler's turn ends, 4 ms for each thread that hands on to the next.
 *
 * <p>They ask for the shortest turns, which has them run as soon as they are woken (Linux 6.12), and are more important, as far as the
 * process may: with CAP_SYS_NICE, which root has.
 *
 * <p>From {@link #take} to {@link #close}, also for threads that begin meanwhile, which have it from who starts them. The JVM's compilers and its
 * {@link VmThread} stay where they are. A process takes one at a time; it belongs to one thread.
 */
public final class Precedence implements AutoCloseable {

    private static final int STEPS = 10;
    private static final int MOST = -20;
    private static final int CALLING_THREAD = 0;

    /** Threads begin while others are looked at, with the niceness of who began them. */
    private static final int PASSES = 5;

    private static final System.Logger LOG = System.getLogger(Precedence.class.getName());

    private final int usual;
    private final List<ThreadStat> threads;
    private int taken;
    private boolean isTaken;

    private Precedence(int usual, List<ThreadStat> threads) {
        this.usual = usual;
        this.threads = threads;
        taken = usual;
    }

    /**
     * For all threads that are as important as the calling one. Finds them, which takes the more time the more there are, so that
     * {@link #take} need not; and has the {@linkplain YoungGarbage garbage collected} for which all of them would have to stop soon.
     */
    public static Precedence prepare() {
        YoungGarbage.collect();
        try {
            int usual = ThreadStat.own().nice();
            List<ThreadStat> threads = having(usual);
            // Changes nothing: what is done for the first time is slow, and guests do not wait yet.
            set(threads, usual, TimeSlice.USUAL);
            return new Precedence(usual, threads);
        } catch (IOException | ErrnoException e) {
            LOG.log(Level.DEBUG, "no precedence: {0}", e.getMessage());
            return none();
        }
    }

    /** None, for a process that only rehearses while another, or it itself, serves. */
    public static Precedence none() {
        return new Precedence(0, List.of());
    }

    /** From now on until {@link #close}. Returns this one. */
    public Precedence take() {
        if (!threads.isEmpty()) {
            isTaken = true;
            int most = Math.max(MOST, usual - STEPS);
            try {
                taken = mayBe(most) ? most : usual;
                set(threads, taken, TimeSlice.SHORTEST_NS);
            } catch (ErrnoException e) {
                LOG.log(Level.DEBUG, "no precedence: {0}", e.getMessage());
            }
        }
        return this;
    }

    private static boolean mayBe(int nice) {
        try {
            TimeSlice.set(CALLING_THREAD, nice, TimeSlice.SHORTEST_NS);
            return true;
        } catch (ErrnoException e) {
            if (e.errno() == EPERM) {
                return false;
            }
            throw e;
        }
    }

    /** Throws nothing: whoever has it has more important things to end. */
    @Override
    public void close() {
        if (!isTaken) {
            return;
        }
        isTaken = false;
        try {
            // First the calling one: what it does to the others should not hold up who goes before it from now on.
            set(CALLING_THREAD, usual, TimeSlice.USUAL);
            boolean again = true;
            for (int pass = 0; again && pass < PASSES; pass++) {
                again = giveBack();
                LOG.log(Level.TRACE, "niceness {0} instead of {1}: pass {2}", usual, taken, pass);
            }
        } catch (IOException | RuntimeException e) {
            LOG.log(Level.WARNING, "threads have niceness " + taken + ", not " + usual + ": " + e.getMessage());
        }
    }

    /** Whether another pass might find one more. */
    private boolean giveBack() throws IOException {
        List<ThreadStat> found = having(taken);
        set(found, usual, TimeSlice.USUAL);
        return taken != usual && !found.isEmpty();
    }

    private static List<ThreadStat> having(int nice) throws IOException {
        return ThreadStat.all().stream()
                .filter(thread -> thread.nice() == nice && !CompilerThreads.has(thread) && !VmThread.is(thread))
                .toList();
    }

    private static void set(List<ThreadStat> threads, int nice, long sliceNs) {
        for (ThreadStat thread : threads) {
            // One that has ended may have left its number to another process's thread.
            if (thread.isThere()) {
                set(thread.tid(), nice, sliceNs);
            }
        }
    }

    private static void set(int tid, int nice, long sliceNs) {
        try {
            TimeSlice.set(tid, nice, sliceNs);
        } catch (ErrnoException e) {
            // It may have ended.
            if (e.errno() != ESRCH) {
                throw e;
            }
        }
    }
}
