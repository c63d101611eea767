package org.vfio4j.sys;

import static org.vfio4j.sys.Errno.EBADF;

import java.util.concurrent.atomic.AtomicInteger;

/** A file descriptor and its one owner. Any thread may close it, once; what others do with the number then is their fault. */
public final class Fd implements AutoCloseable {

    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int O_NONBLOCK = 0x800;
    private static final int O_ACCMODE = 3;
    private static final int O_RDONLY = 0;
    private static final int CLOSED = -1;

    private static final CFunction CLOSE = CFunction.of("close");
    private static final CFunction FCNTL = CFunction.of("fcntl");

    private final AtomicInteger fd;

    private Fd(int fd) {
        this.fd = new AtomicInteger(fd);
    }

    /** Takes over an open descriptor. */
    public static Fd own(int fd) {
        if (fd < 0) {
            throw new ErrnoException(EBADF, "fd " + fd);
        }
        return new Fd(fd);
    }

    /** No descriptor: like one that is closed. */
    public static Fd none() {
        return new Fd(CLOSED);
    }

    /**
     * The descriptor's number.
     *
     * @throws ErrnoException EBADF when it is closed
     */
    public int value() {
        int value = fd.get();
        if (value == CLOSED) {
            throw new ErrnoException(EBADF, "use of a closed fd");
        }
        return value;
    }

    public boolean isOpen() {
        return fd.get() != CLOSED;
    }

    /** A second descriptor of the same open file, owned separately. */
    public Fd dup() {
        int original = value();
        return own(fcntl(original, F_DUPFD_CLOEXEC, 0, "fcntl F_DUPFD_CLOEXEC fd=" + original));
    }

    /** Whether the file was opened for writing. */
    public boolean isWritable() {
        return (fcntl(value(), F_GETFL, 0, "fcntl F_GETFL " + this) & O_ACCMODE) != O_RDONLY;
    }

    /** Whether calls on the open file fail with EAGAIN instead of waiting. Descriptors that were duplicated share it. */
    public void setNonBlocking(boolean nonBlocking) {
        int flags = fcntl(value(), F_GETFL, 0, "fcntl F_GETFL " + this);
        int wanted = nonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        fcntl(value(), F_SETFL, wanted, "fcntl F_SETFL " + this);
    }

    /** Closes it; later calls do nothing. */
    @Override
    public void close() {
        int value = fd.getAndSet(CLOSED);
        if (value != CLOSED) {
            closeRaw(value);
        }
    }

    @Override
    public String toString() {
        int value = fd.get();
        return value == CLOSED ? "fd closed" : "fd " + value;
    }

    static void closeRaw(int fd) {
        // Linux releases the descriptor whatever close returns: to try again would close somebody else's.
        CLOSE.callInt(fd);
    }

    static int fcntl(int fd, int command, int argument, String what) {
        return (int) ErrnoException.check(FCNTL.callInt(fd, command, argument), what);
    }
}
