package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * For how long the calling thread means to have a processor each time it gets one: sched_setattr(2). Linux 6.12 and newer let a thread that
 * asks for less have it sooner; its share stays the same. Older ones take no notice.
 */
public final class TimeSlice {

    // linux/sched/types.h: struct sched_attr, as of its first version.
    private static final int SIZEOF = 48;
    private static final int OFFSET_SCHED_RUNTIME = 24;

    private static final int CALLING_THREAD = 0;
    private static final int NO_FLAGS = 0;
    private static final boolean X86_64 = System.getProperty("os.arch").equals("amd64");
    private static final int SYS_SCHED_SETATTR = X86_64 ? 314 : 274;
    private static final int SYS_SCHED_GETATTR = X86_64 ? 315 : 275;

    private static final CFunction SYSCALL = CFunction.of("syscall");

    private TimeSlice() {}

    /**
     * Asks for the shortest that Linux gives, 100 us, from now on and for the threads that the calling one starts. Policy and priority stay as
     * they are. Returns whether the kernel was willing.
     */
    public static boolean shorten() {
        return request(100_000);
    }

    /** The same for any length. */
    static boolean request(long ns) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attr = arena.allocate(SIZEOF, Long.BYTES);
            if (SYSCALL.callInt(SYS_SCHED_GETATTR, CALLING_THREAD, attr.address(), SIZEOF, NO_FLAGS) < 0) {
                return false;
            }
            attr.set(JAVA_INT, 0, SIZEOF);
            attr.set(JAVA_LONG, OFFSET_SCHED_RUNTIME, ns);
            return SYSCALL.callInt(SYS_SCHED_SETATTR, CALLING_THREAD, attr.address(), NO_FLAGS) == 0;
        }
    }
}
