package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/** Waiting for one descriptor: ppoll(2). Allocates nothing. */
public final class Poll {

    public static final int POLLIN = 1;
    public static final int POLLOUT = 4;
    public static final int POLLERR = 8;
    public static final int POLLHUP = 0x10;

    /** For {@link #poll}: wait without end. */
    public static final long FOREVER = -1;

    // struct pollfd {int fd; short events; short revents;} then struct timespec {long seconds; long nanoseconds;}
    private static final long EVENTS = 4;
    private static final long REVENTS = 6;
    private static final long SECONDS = 8;
    private static final long NANOS = 16;
    private static final long SIZE = 24;
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    private static final CFunction PPOLL = CFunction.of("ppoll");
    private static final ThreadLocal<Poll> OWN = ThreadLocal.withInitial(Poll::new);

    private final MemorySegment pollFd = Arena.ofAuto().allocate(SIZE, Long.BYTES);

    private Poll() {}

    /**
     * Waits until {@code fd} is ready for one of {@code events}.
     *
     * @param timeoutNs how long, {@link #FOREVER} for no limit
     * @return the events that are there, 0 when the time is over, or a negative errno
     */
    public static int poll(int fd, int events, long timeoutNs) {
        return OWN.get().await(fd, events, timeoutNs);
    }

    private int await(int fd, int events, long timeoutNs) {
        pollFd.set(JAVA_INT, 0, fd);
        pollFd.set(JAVA_SHORT, EVENTS, (short) events);
        pollFd.set(JAVA_SHORT, REVENTS, (short) 0);
        pollFd.set(JAVA_LONG, SECONDS, timeoutNs / NANOS_PER_SECOND);
        pollFd.set(JAVA_LONG, NANOS, timeoutNs % NANOS_PER_SECOND);
        long address = pollFd.address();
        try {
            int ready = PPOLL.callInt(address, 1, timeoutNs == FOREVER ? 0 : address + SECONDS, 0);
            return ready <= 0 ? ready : pollFd.get(JAVA_SHORT, REVENTS) & 0xffff;
        } finally {
            Reference.reachabilityFence(this);
        }
    }
}
