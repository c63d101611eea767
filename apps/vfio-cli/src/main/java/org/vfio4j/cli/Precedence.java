package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.ESRCH;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Nice;

/**
 * For the moment in which guests wait, this process's threads go before those of others, as far as it may: with CAP_SYS_NICE, which root
 * has. Guests that poll for what they wait for would otherwise keep it from them until the scheduler's turn ends, 4 ms for each thread
 * that hands on to the next.
 *
 * <p>From {@link #take} to {@link #close}, also for threads that begin meanwhile. The JVM's compilers stay where they are.
 */
final class Precedence implements AutoCloseable {

    private static final Path TASKS = Path.of("/proc/self/task");
    private static final int STEPS = 10;
    private static final int MOST = -20;
    private static final System.Logger LOG = System.getLogger(Precedence.class.getName());

    private final int usual;
    private final int taken;

    private Precedence(int usual, int taken) {
        this.usual = usual;
        this.taken = taken;
    }

    /** For all threads that are as important as the calling one. Where this process may not, nothing changes. */
    static Precedence take() {
        int usual = Nice.ofThis();
        Precedence precedence = new Precedence(usual, Math.max(MOST, usual - STEPS));
        precedence.change(precedence.usual, precedence.taken);
        return precedence;
    }

    /** None, for a process that only rehearses while another, or it itself, serves. */
    static Precedence none() {
        int usual = Nice.ofThis();
        return new Precedence(usual, usual);
    }

    @Override
    public void close() {
        change(taken, usual);
    }

    private void change(int from, int to) {
        if (from == to) {
            return;
        }
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(TASKS)) {
            for (Path task : tasks) {
                int tid = Integer.parseInt(task.getFileName().toString());
                if (Nice.of(tid) == from && !CompilerThreads.isOne(task)) {
                    set(tid, to);
                }
            }
        } catch (IOException | ErrnoException e) {
            LOG.log(System.Logger.Level.DEBUG, "no precedence: {0}", e.getMessage());
        }
    }

    private static void set(int tid, int nice) {
        try {
            Nice.set(tid, nice);
        } catch (ErrnoException e) {
            if (e.errno() != ESRCH) {
                throw e;
            }
        }
    }
}
