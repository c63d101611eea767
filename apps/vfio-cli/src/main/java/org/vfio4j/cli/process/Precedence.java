package org.vfio4j.cli.process;

import static org.vfio4j.sys.Errno.ESRCH;

import java.io.IOException;
import java.lang.System.Logger.Level;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Nice;
import org.vfio4j.sys.ThreadStat;

/**
 * For the moment in which guests wait, this process's threads go before those of others, as far as it may: with CAP_SYS_NICE, which root
 * has. Guests that poll for what they wait for would otherwise keep it from them until the scheduler's turn ends, 4 ms for each thread
 * that hands on to the next.
 *
 * <p>From {@link #take} to {@link #close}, also for threads that begin meanwhile. The JVM's compilers stay where they are. A process takes
 * one at a time.
 */
public final class Precedence implements AutoCloseable {

    private static final int STEPS = 10;
    private static final int MOST = -20;

    /** Threads begin while others are looked at, with the niceness of who began them. */
    private static final int PASSES = 5;

    private static final System.Logger LOG = System.getLogger(Precedence.class.getName());

    private final int usual;
    private final int taken;

    private Precedence(int usual, int taken) {
        this.usual = usual;
        this.taken = taken;
    }

    /** For all threads that are as important as the calling one. Where this process may not, nothing changes. */
    public static Precedence take() {
        try {
            int usual = ThreadStat.own().nice();
            Precedence precedence = new Precedence(usual, Math.max(MOST, usual - STEPS));
            precedence.change(usual, precedence.taken, Level.DEBUG);
            return precedence;
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "no precedence: {0}", e.getMessage());
            return none();
        }
    }

    /** None, for a process that only rehearses while another, or it itself, serves. */
    public static Precedence none() {
        return new Precedence(0, 0);
    }

    @Override
    public void close() {
        change(taken, usual, Level.WARNING);
    }

    /** Throws nothing: whoever has it has more important things to end. */
    private void change(int from, int to, Level failure) {
        try {
            for (int pass = 0; from != to && pass < PASSES && changeOnce(from, to); pass++) {
                LOG.log(Level.TRACE, "niceness {0} instead of {1}: pass {2}", to, from, pass);
            }
        } catch (IOException | RuntimeException e) {
            LOG.log(failure, "threads have niceness " + from + ", not " + to + ": " + e.getMessage());
        }
    }

    /** Whether there was one to change. */
    private static boolean changeOnce(int from, int to) throws IOException {
        boolean found = false;
        for (ThreadStat thread : ThreadStat.all()) {
            if (thread.nice() == from && !CompilerThreads.has(thread)) {
                set(thread.tid(), to);
                found = true;
            }
        }
        return found;
    }

    private static void set(int tid, int nice) {
        try {
            Nice.set(tid, nice);
        } catch (ErrnoException e) {
            // It may have ended.
            if (e.errno() != ESRCH) {
                throw e;
            }
        }
    }
}
