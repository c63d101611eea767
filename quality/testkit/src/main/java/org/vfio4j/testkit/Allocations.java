package org.vfio4j.testkit;

import java.lang.management.ManagementFactory;

/** How much the threads of this process allocate on the Java heap. */
public final class Allocations {

    private static final com.sun.management.ThreadMXBean THREADS =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private Allocations() {}

    /** Bytes that {@code thread} has allocated since it began. */
    public static long of(Thread thread) {
        return THREADS.getThreadAllocatedBytes(thread.threadId());
    }

    /** The running thread of this name. */
    public static Thread threadNamed(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals(name))
                .findAny()
                .orElseThrow(() -> new AssertionError("no thread is named " + name));
    }
}
