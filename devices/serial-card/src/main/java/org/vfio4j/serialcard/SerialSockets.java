package org.vfio4j.serialcard;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Epoll;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.UnixSocket;

/**
 * Unix sockets at which people and programs attach to ports: {@code socat -,raw,echo=0 UNIX-CONNECT:PATH}. One thread for all of
 * them, from the first on until this is closed. Any thread calls.
 */
public final class SerialSockets implements AutoCloseable {

    private static final long STACK_BYTES = 256 << 10;
    private static final int WAKE_UP = 0;

    private @Nullable Loop loop;
    private boolean closed;

    /**
     * Listens.
     *
     * @return a peer with one user at a time: others are hung up on. Its port's carrier is there while it has one, and what the
     *     port sends while it has none is lost. To be closed before this
     * @throws ErrnoException what {@link UnixSocket#listen} says
     */
    public synchronized SerialPeer listen(Path path) {
        if (closed) {
            throw new IllegalStateException("listen on " + path + " after close");
        }
        Fd listening = UnixSocket.listen(path, 1);
        Loop running = loop;
        if (running == null) {
            running = new Loop();
            loop = running;
        }
        return running.add(path, listening);
    }

    /** Ends the thread. All that {@link #listen} gave is closed. */
    @Override
    public synchronized void close() {
        closed = true;
        Loop running = loop;
        if (running != null) {
            running.end();
        }
    }

    /** What {@link SocketPeer} is run by. */
    static final class Loop {

        private final Epoll epoll = Epoll.create();
        private final Fd wakeUp = EventFd.create();
        private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
        private final SocketIo io = new SocketIo(1);
        private final Thread thread;

        // The thread's.
        private final Map<Long, Runnable> sources = new HashMap<>();
        private long lastSource = WAKE_UP;
        private boolean ended;

        Loop() {
            epoll.add(wakeUp.value(), Epoll.EPOLLIN, WAKE_UP);
            thread = Thread.ofPlatform()
                    .daemon()
                    .name("serial-sockets")
                    .stackSize(STACK_BYTES)
                    .unstarted(this::run);
        }

        SerialPeer add(Path path, Fd listening) {
            if (thread.getState() == Thread.State.NEW) {
                thread.start();
            }
            SocketPeer peer = new SocketPeer(this, path, listening);
            try {
                await(peer::start);
                return peer;
            } catch (ErrnoException e) {
                listening.close();
                throw e;
            }
        }

        SocketIo io() {
            return io;
        }

        /** Has the thread do something. */
        void post(Runnable task) {
            tasks.add(task);
            EventFd.signal(wakeUp.value());
        }

        /** The same, and waits for it; fails as it does. */
        void await(Runnable task) {
            CompletableFuture<Void> done = new CompletableFuture<>();
            post(() -> {
                try {
                    task.run();
                    done.complete(null);
                } catch (ErrnoException e) {
                    done.completeExceptionally(e);
                }
            });
            try {
                done.join();
            } catch (CompletionException e) {
                throw e.getCause() instanceof ErrnoException told ? told : e;
            }
        }

        /** The thread's: calls {@code ready} when something is to be done about a descriptor. Returns the source's number. */
        long watch(int fd, int events, Runnable ready) {
            lastSource++;
            epoll.add(fd, events, lastSource);
            sources.put(lastSource, ready);
            return lastSource;
        }

        /** The thread's. */
        void change(int fd, int events, long source) {
            epoll.modify(fd, events, source);
        }

        /** The thread's. */
        void forget(int fd, long source) {
            sources.remove(source);
            epoll.remove(fd);
        }

        void end() {
            post(() -> ended = true);
            boolean interrupted = false;
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            io.close();
            epoll.close();
            wakeUp.close();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }

        private void run() {
            while (!ended) {
                int count = epoll.await(-1);
                for (int i = 0; i < count; i++) {
                    long source = epoll.data(i);
                    if (source == WAKE_UP) {
                        EventFd.drain(wakeUp.value());
                    } else {
                        // One before it may have ended it.
                        sources.getOrDefault(source, () -> {}).run();
                    }
                }
                Runnable task = tasks.poll();
                while (task != null) {
                    task.run();
                    task = tasks.poll();
                }
            }
        }
    }
}
