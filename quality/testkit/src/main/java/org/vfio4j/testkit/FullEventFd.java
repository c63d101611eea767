package org.vfio4j.testkit;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** Eventfds as a hostile user gives them: they block, and their counter is full, so that write(2) does not return. Stateless. */
public final class FullEventFd {

    private static final long MOST = -2;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private FullEventFd() {}

    public static Fd create() {
        Fd fd = EventFd.create();
        fill(fd);
        return fd;
    }

    /** Has an eventfd block, and fills it. */
    public static void fill(Fd fd) {
        fd.setNonBlocking(true);
        try (Arena arena = Arena.ofConfined()) {
            long most = arena.allocateFrom(ValueLayout.JAVA_LONG, MOST).address();
            // A signal may come between the two calls: then there is no room for so much.
            do {
                EventFd.drain(fd.value());
            } while (write(fd, most) == -Errno.EAGAIN);
        }
        fd.setNonBlocking(false);
    }

    private static long write(Fd fd, long most) {
        long result = FileIo.write(fd.value(), most, Long.BYTES);
        if (result != Long.BYTES && result != -Errno.EAGAIN) {
            throw new AssertionError("filling an eventfd: " + result);
        }
        return result;
    }

    /** Does something that must come to its end, whatever a user does. */
    public static void endsSoon(String what, Runnable action) {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = Thread.ofPlatform().daemon().name(what).start(() -> {
            try {
                action.run();
            } catch (RuntimeException | Error e) {
                failure.set(e);
            }
        });
        try {
            if (!thread.join(PATIENCE)) {
                throw new AssertionError(what + " has not ended in " + PATIENCE);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        if (failure.get() != null) {
            throw new AssertionError(what + " has failed", failure.get());
        }
    }
}
