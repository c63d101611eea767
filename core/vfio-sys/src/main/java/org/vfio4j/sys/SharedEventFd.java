package org.vfio4j.sys;

/**
 * Signals for an eventfd that a stranger has given. It may block, and its counter may be full: write(2) would wait for as long as the stranger
 * likes, and {@code O_NONBLOCK} helps nobody, because it belongs to the open file, which is the stranger's as well. The kernel's own way to
 * signal never waits ({@link AioSignal}). All threads; allocates nothing.
 */
public final class SharedEventFd {

    private static final AioProbe KERNEL = new AioProbe(AioSignal::probe, System::nanoTime);

    private SharedEventFd() {}

    /** Finds out whether the kernel does it, before the first signal has to wait for that. The log says when it does not. */
    public static void prepare() {
        KERNEL.works();
    }

    /**
     * Adds 1 to the counter, and does not wait. A counter that is full stays full.
     *
     * @return 0 or a negative errno, -EAGAIN when the kernel has no memory for it
     */
    public static int signal(int fd) {
        return KERNEL.works() ? AioSignal.signal(fd) : writeIfRoom(fd);
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
