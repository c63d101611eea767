package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Event counters with a descriptor: eventfd(2). {@link #signal} and {@link #drain} allocate nothing. Those that a stranger has given are
 * signalled by {@link SharedEventFd}.
 */
public final class EventFd {

    private static final int EFD_NONBLOCK = 0x800;
    private static final int EFD_CLOEXEC = 0x80000;

    private static final CFunction EVENTFD = CFunction.of("eventfd");
    private static final CFunction WRITE = CFunction.of("write");
    private static final CFunction READ = CFunction.of("read");
    private static final CFunction PREADV2 = CFunction.of("preadv2");
    private static final int RWF_NOWAIT = 8;
    private static final long NO_POSITION = -1;

    private static final long ONE = Arena.global().allocateFrom(JAVA_LONG, 1).address();

    // What read writes to, and struct iovec {void *base; size_t length;} behind it, which says so.
    private static final long IOVEC = 8;
    private static final ThreadLocal<MemorySegment> COUNT = ThreadLocal.withInitial(EventFd::newCount);

    private EventFd() {}

    /** A counter of 0, non-blocking. */
    public static Fd create() {
        return Fd.own((int) ErrnoException.check(EVENTFD.callInt(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd"));
    }

    /** Whether an open descriptor is an eventfd. Others may block whoever writes to them or waits for them. */
    public static boolean isEventFd(Fd fd) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd", Integer.toString(fd.value())))
                    .toString()
                    .equals("anon_inode:[eventfd]");
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "eventfd: /proc/self/fd is needed (" + e + ")");
        }
    }

    /**
     * Adds 1 to the counter of an eventfd that {@link #create} made, and that nobody shares who is not trusted: if it blocks and is full, this
     * waits.
     *
     * @return 0 or a negative errno; -EAGAIN when the counter is full, which wakes its readers all the same
     */
    public static int signal(int fd) {
        return (int) Math.min(WRITE.call(fd, ONE, Long.BYTES), 0);
    }

    /**
     * Takes the counter back to 0. Does not wait, though others that have the eventfd may have made it block, and have drained it.
     *
     * @return what it was, at most {@link Long#MAX_VALUE}, or a negative errno: -EAGAIN when it was 0
     */
    public static long drain(int fd) {
        MemorySegment count = COUNT.get();
        long read = PREADV2.call(fd, count.address() + IOVEC, 1, NO_POSITION, RWF_NOWAIT, 0);
        if (read == -EOPNOTSUPP) {
            // Before Linux 5.8.
            read = READ.call(fd, count.address(), Long.BYTES);
        }
        // COUNT holds the memory until the thread ends.
        if (read < 0) {
            return read;
        }
        long was = count.get(JAVA_LONG, 0);
        // It has no sign: a full one would look like an errno.
        return was < 0 ? Long.MAX_VALUE : was;
    }

    private static MemorySegment newCount() {
        MemorySegment count = Arena.ofAuto().allocate(IOVEC + 2 * Long.BYTES, Long.BYTES);
        count.set(JAVA_LONG, IOVEC, count.address());
        count.set(JAVA_LONG, IOVEC + Long.BYTES, Long.BYTES);
        return count;
    }
}
