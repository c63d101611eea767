package org.vfio4j.testkit;

import java.lang.management.ManagementFactory;
import java.util.Arrays;

/** What the threads of this process use: Java heap and processor. */
public final class ThreadUse {

    private static final com.sun.management.ThreadMXBean THREADS =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static final int TURNS = 5;

    private ThreadUse() {}

    /** Bytes that {@code thread} has allocated since it began. */
    public static long allocatedBytes(Thread thread) {
        return THREADS.getThreadAllocatedBytes(thread.threadId());
    }

    /**
     * Bytes that {@code threads} allocate together in a turn: the least of some turns, since a compilation that ends in one of them leaves
     * something behind, and what code allocates it allocates in each.
     */
    public static long leastAllocated(Runnable turn, Thread... threads) {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < TURNS; i++) {
            long before = sum(threads);
            turn.run();
            least = Math.min(least, sum(threads) - before);
        }
        return least;
    }

    private static long sum(Thread... threads) {
        return Arrays.stream(threads).mapToLong(ThreadUse::allocatedBytes).sum();
    }

    /** Processor time that {@code thread} has used since it began. */
    public static long cpuNs(Thread thread) {
        return THREADS.getThreadCpuTime(thread.threadId());
    }

    /** The running thread of this name. */
    public static Thread threadNamed(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals(name))
                .findAny()
                .orElseThrow(() -> new AssertionError("no thread is named " + name));
    }
}
