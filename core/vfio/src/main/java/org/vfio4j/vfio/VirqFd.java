package org.vfio4j.vfio;

import static org.vfio4j.sys.Epoll.EPOLLET;
import static org.vfio4j.sys.Epoll.EPOLLIN;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Epoll;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/**
 * An eventfd by which a user tells a driver something, such as that INTx may be unmasked: what virqfd.c is in the kernel. One
 * thread watches all of a process; it runs while there is one. Any thread may close one.
 */
public final class VirqFd implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(VirqFd.class.getName());
    private static final Object LOCK = new Object();
    private static @Nullable Watcher watcher; // guarded by LOCK
    private static long nextToken; // guarded by LOCK

    private final Fd eventFd;
    private final Runnable handler;
    private final long token;
    private boolean closed; // guarded by this

    private VirqFd(Fd eventFd, Runnable handler, long token) {
        this.eventFd = eventFd;
        this.handler = handler;
        this.token = token;
    }

    /**
     * Runs {@code handler} after each signal, and at once for one that is there already; several signals may be one call.
     *
     * @param eventFd owned from now on, unless this fails
     * @param handler must not block, nor close this
     */
    public static VirqFd watch(Fd eventFd, Runnable handler) {
        synchronized (LOCK) {
            Watcher found = watcher;
            if (found == null) {
                found = new Watcher();
                watcher = found;
            }
            VirqFd virq = new VirqFd(eventFd, handler, ++nextToken);
            try {
                found.add(virq);
            } catch (ErrnoException e) {
                endIfUnused(found);
                throw e;
            }
            return virq;
        }
    }

    /** Ends it: when this returns the handler does not run and will not. Closes the eventfd. */
    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        try {
            synchronized (LOCK) {
                Watcher found = Objects.requireNonNull(watcher, "it runs while it watches this");
                found.remove(this);
                endIfUnused(found);
            }
        } finally {
            eventFd.close();
        }
    }

    private static void endIfUnused(Watcher found) {
        if (found.isUnused()) {
            watcher = null;
            found.end();
        }
    }

    private synchronized void signalled() {
        if (closed) {
            return;
        }
        try {
            handler.run();
        } catch (RuntimeException | Error e) {
            // The thread is everybody's: one device's trouble is not the others'. An Error too: for want of memory or
            // threads one call fails, and the next may not.
            LOG.log(System.Logger.Level.ERROR, "the handler of " + eventFd + " failed", e);
        }
    }

    /** The thread, and what it watches. */
    private static final class Watcher {

        private static final long WAKE_UP = 0;

        private final Epoll epoll;
        private final Fd wakeUp;

        // Guarded by this, as are the uses of both descriptors but for waiting.
        private final Map<Long, VirqFd> watched = new HashMap<>();
        private volatile boolean ended;

        Watcher() {
            wakeUp = EventFd.create();
            try {
                epoll = Epoll.create();
            } catch (ErrnoException e) {
                wakeUp.close();
                throw e;
            }
            epoll.add(wakeUp.value(), EPOLLIN, WAKE_UP);
            Thread.ofPlatform().daemon().name("vfio-virqfd").start(this::run);
        }

        // By edges: the counter is not read, because an eventfd that blocks and has another reader would hold up
        // everybody.
        synchronized void add(VirqFd virq) {
            epoll.add(virq.eventFd.value(), EPOLLIN | EPOLLET, virq.token);
            watched.put(virq.token, virq);
        }

        synchronized void remove(VirqFd virq) {
            epoll.remove(virq.eventFd.value());
            watched.remove(virq.token);
        }

        synchronized boolean isUnused() {
            return watched.isEmpty();
        }

        /** The thread ends by itself, soon. */
        synchronized void end() {
            ended = true;
            EventFd.signal(wakeUp.value());
        }

        private void run() {
            while (!ended) {
                int count = epoll.await(-1);
                for (int i = 0; i < count; i++) {
                    VirqFd virq = find(epoll.data(i));
                    if (virq != null) {
                        virq.signalled();
                    }
                }
            }
            release();
        }

        private synchronized @Nullable VirqFd find(long token) {
            return watched.get(token);
        }

        // Not before end() is through with them.
        private synchronized void release() {
            epoll.close();
            wakeUp.close();
        }
    }
}
