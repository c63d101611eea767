package org.vfio4j.sys;

/** How much a thread gives way to others: setpriority(2), which Linux has for each thread. */
public final class Nice {

    private static final int PRIO_PROCESS = 0;
    private static final int CALLING_THREAD = 0;
    private static final int LOWEST = 19;

    private static final CFunction SETPRIORITY = CFunction.of("setpriority");
    private static final CFunction GETPRIORITY = CFunction.of("getpriority");

    private Nice() {}

    /** From now on the calling thread, and each that it starts, has a processor when nobody else wants it. There is no way back. */
    public static void giveWay() {
        ErrnoException.check(SETPRIORITY.callInt(PRIO_PROCESS, CALLING_THREAD, LOWEST), "setpriority " + LOWEST);
    }

    /** Of the calling thread: -20 (most important) to 19. */
    public static int ofThis() {
        return of(CALLING_THREAD);
    }

    /**
     * Of a thread of this process.
     *
     * @param tid as the kernel numbers it, in {@code /proc/self/task}
     * @return -20 to 19; -1 also for one that has ended
     */
    public static int of(int tid) {
        return GETPRIORITY.callInt(PRIO_PROCESS, tid);
    }

    /**
     * Sets it for a thread of this process.
     *
     * @throws ErrnoException EACCES when it may not become that important, which takes CAP_SYS_NICE or RLIMIT_NICE; ESRCH when it has ended
     */
    public static void set(int tid, int nice) {
        ErrnoException.check(SETPRIORITY.callInt(PRIO_PROCESS, tid, nice), "setpriority " + nice + " of thread " + tid);
    }
}
