package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * For how long a thread means to have a processor each time it gets one: sched_setattr(2). Linux 6.12 and newer let a thread that asks for
 * less have it sooner, also from one whose turn it is; its share stays the same, and it takes no privilege. Older ones take no notice.
 */
public final class TimeSlice {

    /** The shortest that Linux gives. */
    public static final long SHORTEST_NS = 100_000;

    /** What Linux gives to those that have not asked. */
    public static final long USUAL = 0;

    // linux/sched/types.h: struct sched_attr, as of its first version.
    private static final int SIZEOF = 48;
    private static final int OFFSET_SCHED_FLAGS = 8;
    private static final int OFFSET_SCHED_NICE = 16;
    private static final int OFFSET_SCHED_RUNTIME = 24;
    private static final long SCHED_FLAG_KEEP_POLICY = 0x08;

    private static final int NO_FLAGS = 0;
    private static final boolean X86_64 = System.getProperty("os.arch").equals("amd64");
    private static final int SYS_SCHED_SETATTR = X86_64 ? 314 : 274;
    private static final int SYS_SCHED_GETATTR = X86_64 ? 315 : 275;

    private static final CFunction SYSCALL = CFunction.of("syscall");

    private TimeSlice() {}

    /**
     * Asks for it, for a thread of this process and for those that it starts from now on, and sets its niceness with the same call. Its
     * policy stays as it is.
     *
     * @param tid as the kernel numbers it, in {@code /proc/self/task}; 0 for the calling one
     * @param nice -20 (most important) to 19
     * @param ns from {@link #SHORTEST_NS} to 100 ms, or {@link #USUAL}
     * @throws ErrnoException EPERM when it may not become that important, which takes CAP_SYS_NICE or RLIMIT_NICE, or a sandbox forbids
     *     it; ESRCH when it has ended
     */
    public static void set(int tid, int nice, long ns) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attr = arena.allocate(SIZEOF, Long.BYTES);
            attr.set(JAVA_INT, 0, SIZEOF);
            attr.set(JAVA_LONG, OFFSET_SCHED_FLAGS, SCHED_FLAG_KEEP_POLICY);
            attr.set(JAVA_INT, OFFSET_SCHED_NICE, nice);
            attr.set(JAVA_LONG, OFFSET_SCHED_RUNTIME, ns);
            ErrnoException.check(
                    SYSCALL.callInt(SYS_SCHED_SETATTR, tid, attr.address(), NO_FLAGS),
                    "sched_setattr of thread " + tid + ": niceness " + nice + ", a slice of " + ns + " ns");
        }
    }

    /**
     * What a thread has.
     *
     * @return 0 where Linux does not tell
     * @throws ErrnoException ESRCH when it has ended
     */
    public static long get(int tid) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attr = arena.allocate(SIZEOF, Long.BYTES);
            ErrnoException.check(
                    SYSCALL.callInt(SYS_SCHED_GETATTR, tid, attr.address(), SIZEOF, NO_FLAGS),
                    "sched_getattr of thread " + tid);
            return attr.get(JAVA_LONG, OFFSET_SCHED_RUNTIME);
        }
    }
}
