package org.vfio4j.sys;

import static org.vfio4j.sys.Errno.EAGAIN;

import java.lang.System.Logger.Level;

/**
 * Signals for an eventfd that a stranger has given. It may block, and its counter may be full: write(2) would wait for as long as the stranger
 * likes, and {@code O_NONBLOCK} helps nobody, because it belongs to the open file, which is the stranger's as well. The kernel's own way to
 * signal never waits ({@link AioSignal}). All threads; allocates nothing.
 */
public final class SharedEventFd {

    private static final boolean BY_KERNEL = AioSignal.isAvailable();

    static {
        if (!BY_KERNEL) {
            System.getLogger(SharedEventFd.class.getName())
                    .log(
                            Level.WARNING,
                            "io_submit(2) does not signal eventfds here: a client that fills one of its own may hold"
                                    + " up others' interrupts");
        }
    }

    private SharedEventFd() {}

    /**
     * Adds 1 to the counter, and does not wait. A counter that is full stays full.
     *
     * @return 0 or a negative errno
     */
    public static int signal(int fd) {
        if (BY_KERNEL) {
            int result = AioSignal.signal(fd);
            if (result != -EAGAIN) {
                return result;
            }
        }
        return writeIfRoom(fd);
    }

    /** For want of something better: somebody may fill the counter between the two calls. */
    static int writeIfRoom(int fd) {
        int events = Poll.poll(fd, Poll.POLLOUT, 0);
        if (events < 0) {
            return events;
        }
        return (events & Poll.POLLOUT) != 0 ? EventFd.signal(fd) : 0;
    }
}
