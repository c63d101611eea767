package org.vfio4j.testkit;

import java.lang.management.ManagementFactory;

/** What the threads of this process use: Java heap and processor. */
public final class ThreadUse {

    private static final com.sun.management.ThreadMXBean THREADS =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private ThreadUse() {}

    /** Bytes that {@code thread} has allocated since it began. */
    public static long allocatedBytes(Thread thread) {
        return THREADS.getThreadAllocatedBytes(thread.threadId());
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
