package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/** Waiting for one descriptor or two: ppoll(2). Allocates nothing. */
public final class Poll {

    public static final int POLLIN = 1;
    public static final int POLLOUT = 4;
    public static final int POLLERR = 8;
    public static final int POLLHUP = 0x10;

    /** By how much the second descriptor's events are shifted. */
    public static final int OTHER = 16;

    /** For {@link #poll(int, int, long)}: wait without end. */
    public static final long FOREVER = -1;

    // Two of struct pollfd {int fd; short events; short revents;}, then struct timespec {long seconds; long
    // nanoseconds;}
    private static final long EVENTS = 4;
    private static final long REVENTS = 6;
    private static final long POLLFD_SIZEOF = 8;
    private static final long SECONDS = 16;
    private static final long NANOS = 24;
    private static final long SIZE = 32;
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    private static final CFunction PPOLL = CFunction.of("ppoll");
    private static final ThreadLocal<Poll> OWN = ThreadLocal.withInitial(Poll::new);

    private final MemorySegment pollFds = Arena.ofAuto().allocate(SIZE, Long.BYTES);

    private Poll() {}

    /**
     * Waits until {@code fd} is ready for one of {@code events}.
     *
     * @param timeoutNs how long, {@link #FOREVER} for no limit
     * @return the events that are there, 0 when the time is over, or a negative errno
     */
    public static int poll(int fd, int events, long timeoutNs) {
        Poll own = OWN.get();
        own.want(0, fd, events);
        int ready = own.await(1, timeoutNs);
        return ready <= 0 ? ready : own.events(0);
    }

    /**
     * Waits until one of two descriptors is ready.
     *
     * @return the events of {@code fd} that are there, and whatever is there of {@code otherFd} shifted left by 16; 0 when the
     *     time is over, or a negative errno
     */
    public static int poll(int fd, int events, int otherFd, int otherEvents, long timeoutNs) {
        Poll own = OWN.get();
        own.want(0, fd, events);
        own.want(1, otherFd, otherEvents);
        int ready = own.await(2, timeoutNs);
        return ready <= 0 ? ready : own.events(0) | own.events(1) << OTHER;
    }

    private void want(int i, int fd, int events) {
        pollFds.set(JAVA_INT, i * POLLFD_SIZEOF, fd);
        pollFds.set(JAVA_SHORT, i * POLLFD_SIZEOF + EVENTS, (short) events);
        pollFds.set(JAVA_SHORT, i * POLLFD_SIZEOF + REVENTS, (short) 0);
    }

    private int events(int i) {
        return pollFds.get(JAVA_SHORT, i * POLLFD_SIZEOF + REVENTS) & 0x7fff;
    }

    private int await(int count, long timeoutNs) {
        pollFds.set(JAVA_LONG, SECONDS, timeoutNs / NANOS_PER_SECOND);
        pollFds.set(JAVA_LONG, NANOS, timeoutNs % NANOS_PER_SECOND);
        long address = pollFds.address();
        try {
            return PPOLL.callInt(address, count, timeoutNs == FOREVER ? 0 : address + SECONDS, 0);
        } finally {
            Reference.reachabilityFence(this);
        }
    }
}
