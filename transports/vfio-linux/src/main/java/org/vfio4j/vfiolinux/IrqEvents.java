package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Epoll.EPOLLIN;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.Epoll;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/**
 * Eventfds that the kernel signals for the interrupts of a function, and the thread that waits for them: one of each while a function's user
 * listens. Made and closed by the user's thread.
 */
final class IrqEvents implements AutoCloseable {

    /** Takes what has come, on the thread of these events. */
    interface Receiver {

        /** The first of several that have come together. */
        void begin();

        /** @param event its number; several of one may be one call */
        void event(int event);

        /** The last of them was told. */
        void end();
    }

    private static final long WAKE_UP = -1;

    private final List<Fd> eventFds = new ArrayList<>();
    private final Fd wakeUp;
    private final Epoll epoll;
    private final Receiver receiver;
    private final Thread thread;
    private volatile boolean ended;

    /**
     * @param name of the thread
     * @param count how many events, numbered from 0
     */
    IrqEvents(String name, int count, Receiver receiver) {
        this.receiver = receiver;
        wakeUp = EventFd.create();
        try {
            epoll = Epoll.create();
        } catch (ErrnoException e) {
            wakeUp.close();
            throw e;
        }
        try {
            epoll.add(wakeUp.value(), EPOLLIN, WAKE_UP);
            for (int i = 0; i < count; i++) {
                Fd eventFd = EventFd.create();
                eventFds.add(eventFd);
                epoll.add(eventFd.value(), EPOLLIN, i);
            }
            thread = Thread.ofPlatform().daemon().name(name).start(this::run);
        } catch (ErrnoException e) {
            release();
            throw e;
        }
    }

    /** Duplicates of the descriptors, for the kernel. */
    List<Fd> duplicates() {
        List<Fd> duplicates = new ArrayList<>();
        try {
            for (Fd eventFd : eventFds) {
                duplicates.add(eventFd.dup());
            }
        } catch (ErrnoException e) {
            duplicates.forEach(Fd::close);
            throw e;
        }
        return duplicates;
    }

    /** Has an event told that did not come. */
    void signal(int event) {
        EventFd.signal(eventFds.get(event).value());
    }

    /** Ends the thread: when this returns nothing is told any more. Not for the thread itself. */
    @Override
    public void close() {
        ended = true;
        EventFd.signal(wakeUp.value());
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        release();
    }

    private void run() {
        while (!ended) {
            int ready = epoll.await(-1);
            if (ready > 0 && !ended) {
                tell(ready);
            }
        }
    }

    private void tell(int ready) {
        receiver.begin();
        try {
            for (int i = 0; i < ready; i++) {
                long event = epoll.data(i);
                if (event != WAKE_UP) {
                    EventFd.drain(eventFds.get((int) event).value());
                    receiver.event((int) event);
                }
            }
        } finally {
            receiver.end();
        }
    }

    private void release() {
        epoll.close();
        wakeUp.close();
        eventFds.forEach(Fd::close);
    }
}
