package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

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

    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLL_CTL_DEL = 2;
    private static final int EPOLL_CTL_MOD = 3;
    private static final int MAX_EVENTS = 64;

    // struct epoll_event {u32 events; u64 data;} is packed on x86-64 only.
    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");
    private static final long DATA = PACKED ? 4 : 8;
    private static final long EVENT_SIZE = PACKED ? 12 : 16;

    private static final MethodHandle EPOLL_CREATE1 =
            Native.capturing("epoll_create1", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle EPOLL_CTL =
            Native.capturing("epoll_ctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS));
    private static final MethodHandle EPOLL_WAIT =
            Native.capturing("epoll_wait", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));

    private final Fd epoll;
    private final MemorySegment ready = Arena.ofAuto().allocate(EVENT_SIZE * MAX_EVENTS, Long.BYTES);

    private Epoll(Fd epoll) {
        this.epoll = epoll;
    }

    public static Epoll create() {
        MemorySegment errno = Native.errnoSegment();
        try {
            int fd = (int) EPOLL_CREATE1.invokeExact(errno, EPOLL_CLOEXEC);
            return new Epoll(Fd.own((int) ErrnoException.check(Native.result(fd, errno), "epoll_create1")));
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
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
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result(
                    (int) EPOLL_WAIT.invokeExact(errno, epoll.value(), ready, MAX_EVENTS, timeoutMs), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
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

    private void control(int operation, int fd, int events, long data) {
        MemorySegment errno = Native.errnoSegment();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment event = arena.allocate(EVENT_SIZE, Long.BYTES);
            event.set(JAVA_INT, 0, events);
            event.set(JAVA_LONG_UNALIGNED, DATA, data);
            int result = (int) EPOLL_CTL.invokeExact(errno, epoll.value(), operation, fd, event);
            ErrnoException.check(Native.result(result, errno), "epoll_ctl op=" + operation + " fd=" + fd);
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }
}
