package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Event counters with a descriptor: eventfd(2). {@link #signal} and {@link #drain} allocate nothing. */
public final class EventFd {

    private static final int EFD_NONBLOCK = 0x800;
    private static final int EFD_CLOEXEC = 0x80000;

    private static final MethodHandle EVENTFD =
            Native.capturing("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle WRITE =
            Native.capturing("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle READ =
            Native.capturing("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));

    private static final MemorySegment ONE = Arena.global().allocateFrom(JAVA_LONG, 1);
    private static final ThreadLocal<MemorySegment> COUNT =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(JAVA_LONG));

    private EventFd() {}

    /** A counter of 0, non-blocking. */
    public static Fd create() {
        MemorySegment errno = Native.errnoSegment();
        try {
            int fd = (int) EVENTFD.invokeExact(errno, 0, EFD_NONBLOCK | EFD_CLOEXEC);
            return Fd.own((int) ErrnoException.check(Native.result(fd, errno), "eventfd"));
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /**
     * Adds 1 to the counter.
     *
     * @return 0 or a negative errno; -EAGAIN when the counter is full, which wakes its readers all the same
     */
    public static int signal(int fd) {
        MemorySegment errno = Native.errnoSegment();
        try {
            long written = Native.result((long) WRITE.invokeExact(errno, fd, ONE, (long) Long.BYTES), errno);
            return written < 0 ? (int) written : 0;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /**
     * Takes the counter back to 0.
     *
     * @return what it was, or a negative errno: -EAGAIN when it was 0
     */
    public static long drain(int fd) {
        MemorySegment errno = Native.errnoSegment();
        MemorySegment count = COUNT.get();
        try {
            long read = Native.result((long) READ.invokeExact(errno, fd, count, (long) Long.BYTES), errno);
            return read < 0 ? read : count.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }
}
