package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * Waiting for many descriptors: epoll(7). {@link #add}, {@link #modify} and {@link #remove} may come from any thread; {@link
 * #await} and the events it leaves belong to one. Waiting allocates nothing.
 */
public final class Epoll implements AutoCloseable {

    public static final int EPOLLIN = 1;
    public static final int EPOLLOUT = 4;
    public static final int EPOLLERR = 8;
    public static final int EPOLLHUP = 0x10;
    public static final int EPOLLRDHUP = 0x2000;
    public static final int EPOLLONESHOT = 1 << 30;
    public static final int EPOLLET = 1 << 31;

    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLL_CTL_DEL = 2;
    private static final int EPOLL_CTL_MOD = 3;
    private static final int MAX_EVENTS = 64;

    // struct epoll_event {u32 events; u64 data;} is packed on x86-64 only.
    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");
    private static final long DATA = PACKED ? 4 : 8;
    private static final long EVENT_SIZE = PACKED ? 12 : 16;

    private static final CFunction EPOLL_CREATE1 = CFunction.of("epoll_create1");
    private static final CFunction EPOLL_CTL = CFunction.of("epoll_ctl");
    private static final CFunction EPOLL_WAIT = CFunction.of("epoll_wait");

    private final Fd epoll;
    private final MemorySegment ready = Arena.ofAuto().allocate(EVENT_SIZE * MAX_EVENTS, Long.BYTES);
    private final MemorySegment change = Arena.ofAuto().allocate(EVENT_SIZE, Long.BYTES);

    private Epoll(Fd epoll) {
        this.epoll = epoll;
    }

    public static Epoll create() {
        int fd = EPOLL_CREATE1.callInt(EPOLL_CLOEXEC);
        return new Epoll(Fd.own((int) ErrnoException.check(fd, "epoll_create1")));
    }

    /**
     * Begins to wait for {@code fd}.
     *
     * @param events {@code EPOLL*} bits; errors and hang-ups are always reported
     * @param data what {@link #data} gives back
     */
    public void add(int fd, int events, long data) {
        control(EPOLL_CTL_ADD, fd, events, data);
    }

    public void modify(int fd, int events, long data) {
        control(EPOLL_CTL_MOD, fd, events, data);
    }

    public void remove(int fd) {
        control(EPOLL_CTL_DEL, fd, 0, 0);
    }

    /**
     * Waits.
     *
     * @param timeoutMs 0 not at all, -1 without end
     * @return how many events are there, or a negative errno
     */
    public int await(int timeoutMs) {
        try {
            return EPOLL_WAIT.callInt(epoll.value(), ready.address(), MAX_EVENTS, timeoutMs);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** The data of event {@code i} of the last {@link #await}. */
    public long data(int i) {
        return ready.get(JAVA_LONG_UNALIGNED, i * EVENT_SIZE + DATA);
    }

    /** The bits of event {@code i} of the last {@link #await}. */
    public int events(int i) {
        return ready.get(JAVA_INT, i * EVENT_SIZE);
    }

    @Override
    public void close() {
        epoll.close();
    }

    // Any thread changes the set; nothing is allocated.
    private void control(int operation, int fd, int events, long data) {
        int result;
        synchronized (change) {
            change.set(JAVA_INT, 0, events);
            change.set(JAVA_LONG_UNALIGNED, DATA, data);
            result = EPOLL_CTL.callInt(epoll.value(), operation, fd, change.address());
        }
        if (result < 0) {
            throw new ErrnoException(-result, "epoll_ctl op=" + operation + " fd=" + fd);
        }
    }
}
