package org.vfio4j.cli.process;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.vfio4j.sys.ThreadStat;

/**
 * The JVM's compilers, which go on for a while after code has become hot. On few processors they take these from whom somebody is about to
 * wait for.
 */
public final class CompilerThreads {

    /** How long to wait for them at most. */
    public static final long LIMIT_NS = 1_000_000_000L;

    private static final long LOOK_NS = 20_000_000;

    /** What they may need between two looks and count as idle. */
    private static final long IDLE_NS = LOOK_NS / 10;

    private CompilerThreads() {}

    /**
     * Waits until they have caught up, for a second at most. Where the kernel does not tell what threads do, it waits for nothing.
     *
     * @param wanted whether it is to go on: asked before each look
     */
    public static void awaitIdle(BooleanSupplier wanted) {
        long end = System.nanoTime() + LIMIT_NS;
        try {
            long before = usedNs(compilers());
            boolean idle = false;
            while (!idle && System.nanoTime() - end < 0 && wanted.getAsBoolean()) {
                LockSupport.parkNanos(LOOK_NS);
                List<ThreadStat> now = compilers();
                long used = usedNs(now);
                // One that waits for a processor needs none, and is not idle either.
                idle = used - before <= IDLE_NS && now.stream().noneMatch(each -> each.state() == 'R');
                before = used;
            }
        } catch (IOException e) {
            System.getLogger(CompilerThreads.class.getName())
                    .log(System.Logger.Level.DEBUG, "what compilers do: {0}", e.getMessage());
        }
    }

    /** Whether a thread is one of them. */
    static boolean has(ThreadStat thread) {
        return thread.name().startsWith("C1 Compiler") || thread.name().startsWith("C2 Compiler");
    }

    private static List<ThreadStat> compilers() throws IOException {
        return ThreadStat.all().stream().filter(CompilerThreads::has).toList();
    }

    private static long usedNs(List<ThreadStat> threads) {
        return threads.stream().mapToLong(ThreadStat::usedNs).sum();
    }
}
