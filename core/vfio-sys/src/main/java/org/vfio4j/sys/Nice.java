package org.vfio4j.sys;

/** How much a thread gives way to others: setpriority(2), which Linux has for each thread. */
public final class Nice {

    private static final int PRIO_PROCESS = 0;
    private static final int CALLING_THREAD = 0;
    private static final int LOWEST = 19;

    private static final CFunction SETPRIORITY = CFunction.of("setpriority");

    private Nice() {}

    /** From now on the calling thread, and each that it starts, has a processor when nobody else wants it. There is no way back. */
    public static void giveWay() {
        ErrnoException.check(SETPRIORITY.callInt(PRIO_PROCESS, CALLING_THREAD, LOWEST), "setpriority " + LOWEST);
    }
}
