package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Epoll.EPOLLIN;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Epoll;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/**
 * One thread that serves many control sockets, and the workers that it hands commands to which may wait.
 *
 * <p>After a message it looks at that connection again and again for a short time before it blocks in epoll: a driver that does
 * one register access after the other gets its answers without a wake-up. The other sockets are looked at meanwhile, every
 * {@value #SPIN_EPOLL_NS} ns. An idle loop takes no CPU.
 *
 * <p>A connection that is looked at so is taken out of the epoll set until it falls quiet: in it, each message costs its sender
 * a call into epoll, a fifth of a round trip.
 *
 * <p>All methods but {@link #execute}, {@link #ask}, {@link #executeWaiting} and {@link #close} belong to the loop's thread.
 */
public final class EventLoop implements AutoCloseable {

    /** How long the loop looks at a connection after a message, before it blocks: what most round trips take. */
    public static final long DEFAULT_SPIN_NS = 50_000;

    private static final Logger LOG = System.getLogger(EventLoop.class.getName());
    private static final long SPIN_EPOLL_NS = 50_000;
    private static final long WORKER_IDLE_SECONDS = 1;
    private static final int TRIM_MS = 1000;
    private static final int NONE = -1;
    private static final AtomicInteger COUNT = new AtomicInteger();

    private final long spinNs;
    private final Epoll epoll = Epoll.create();
    private final Fd wakeUp = EventFd.create();
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final ThreadPoolExecutor workers;
    private final Thread thread;
    private volatile boolean closing;

    // A source's token is its slot and the slot's generation, so that an event for one that has just gone finds nobody.
    private @Nullable EventSource[] sources = new @Nullable EventSource[16];
    private int[] generations = new int[16];
    private int[] fds = new int[16];
    private int[] interests = new int[16];
    private final BitSet taken = new BitSet();

    // The slot of the source that was active last, or NONE.
    private int hot = NONE;
    private long hotSince;

    // Whether the hot source's descriptor is out of the epoll set.
    private boolean hidden;

    // Sources that hold much memory, and when the first of them did.
    private final List<EventSource> large = new ArrayList<>();
    private long largeSince;

    /** Starts a loop that spins for {@link #DEFAULT_SPIN_NS}. */
    public EventLoop() {
        this(DEFAULT_SPIN_NS);
    }

    /** @param spinNs how long to look at a connection after a message before blocking; 0 blocks at once */
    public EventLoop(long spinNs) {
        this.spinNs = spinNs;
        String name = "vfio-user-" + COUNT.incrementAndGet();
        AtomicInteger workerCount = new AtomicInteger();
        workers = new ThreadPoolExecutor(
                0, Integer.MAX_VALUE, WORKER_IDLE_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), body -> {
                    Thread worker = new Thread(body, name + "-worker-" + workerCount.incrementAndGet());
                    worker.setDaemon(true);
                    return worker;
                });
        epoll.add(wakeUp.value(), EPOLLIN, -1);
        thread = new Thread(this::run, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** Runs {@code task} on the loop's thread, later. Any thread may call it; a task of a loop that has ended is dropped. */
    public void execute(Runnable task) {
        tasks.add(task);
        synchronized (wakeUp) {
            if (wakeUp.isOpen()) {
                EventFd.signal(wakeUp.value());
            }
        }
    }

    /**
     * Asks something on the loop's thread, and waits for the answer. Any other thread may call it.
     *
     * @throws ErrnoException ENODEV when the loop has ended, or what the question throws
     */
    boolean ask(BooleanSupplier question) {
        CompletableFuture<Boolean> answer = new CompletableFuture<>();
        execute(() -> {
            try {
                answer.complete(question.getAsBoolean());
            } catch (RuntimeException e) {
                answer.completeExceptionally(e);
            }
        });
        awaitUnlessEnded(answer);
        if (!answer.isDone()) {
            throw new ErrnoException(ENODEV, name() + ": the event loop has ended");
        }
        try {
            return answer.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ErrnoException refused ? refused : e;
        }
    }

    /** Waits for {@code done}, however long that takes, or for the loop's end: after that its thread does nothing more. */
    void awaitUnlessEnded(CompletableFuture<?> done) {
        CompletableFuture.anyOf(done, ended).handle((any, failure) -> true).join();
    }

    /** Ends the loop. Servers on it are closed before. */
    @Override
    public void close() {
        if (Thread.currentThread() == thread) {
            throw new IllegalStateException("an event loop cannot wait for its own end");
        }
        closing = true;
        execute(() -> {});
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        workers.shutdown();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** The name of the loop's thread. */
    String name() {
        return thread.getName();
    }

    boolean isLoopThread() {
        return Thread.currentThread() == thread;
    }

    /** Runs on a worker thread what may wait for others. */
    void executeWaiting(Runnable task) {
        try {
            workers.execute(task);
        } catch (RejectedExecutionException e) {
            // Only after the end, when no server is left.
            LOG.log(Level.WARNING, "the event loop has ended: a command is dropped", e);
        } catch (OutOfMemoryError e) {
            // No more threads for this process or user: others wait then, which is better than the end of the loop.
            LOG.log(Level.WARNING, "no thread for a command that may have to wait: {0}", e.getMessage());
            task.run();
        }
    }

    /** Watches {@code fd} for {@code source} and returns its token. */
    long add(Fd fd, int events, EventSource source) {
        int slot = taken.nextClearBit(0);
        if (slot == sources.length) {
            sources = Arrays.copyOf(sources, 2 * slot);
            generations = Arrays.copyOf(generations, 2 * slot);
            fds = Arrays.copyOf(fds, 2 * slot);
            interests = Arrays.copyOf(interests, 2 * slot);
        }
        epoll.add(fd.value(), events, token(slot));
        taken.set(slot);
        sources[slot] = source;
        fds[slot] = fd.value();
        interests[slot] = events;
        return token(slot);
    }

    void modify(Fd fd, int events, long token) {
        int slot = (int) token;
        interests[slot] = events;
        if (slot == hot && hidden) {
            cool();
        } else {
            epoll.modify(fd.value(), events, token);
        }
    }

    void remove(Fd fd, long token) {
        int slot = (int) token;
        boolean watched = slot != hot || !hidden;
        if (slot == hot) {
            hot = NONE;
            hidden = false;
        }
        sources[slot] = null;
        generations[slot] = (generations[slot] + 1) & Integer.MAX_VALUE;
        taken.clear(slot);
        if (watched) {
            epoll.remove(fd.value());
        }
    }

    /** Calls the source's {@link EventSource#trim}, once, in a second or so. */
    void trimLater(EventSource source) {
        if (large.isEmpty()) {
            largeSince = System.nanoTime();
        }
        large.add(source);
    }

    private long token(int slot) {
        return ((long) generations[slot] << 32) | slot;
    }

    private void run() {
        try {
            while (!closing) {
                turn();
            }
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "the event loop ends", e);
        } finally {
            synchronized (wakeUp) {
                wakeUp.close();
            }
            epoll.close();
            ended.complete(null);
        }
    }

    private void turn() {
        int count = epoll.await(timeoutMs());
        for (int i = 0; i < count; i++) {
            long token = epoll.data(i);
            if (token == -1) {
                EventFd.drain(wakeUp.value());
                runTasks();
            } else {
                dispatch(token, epoll.events(i));
            }
        }
        if (hot != NONE) {
            spin();
        }
        if (!large.isEmpty() && System.nanoTime() - largeSince >= TRIM_MS * 1_000_000L) {
            trim();
        }
    }

    private int timeoutMs() {
        if (hot != NONE) {
            return 0;
        }
        return large.isEmpty() ? -1 : TRIM_MS;
    }

    private void trim() {
        List<EventSource> due = List.copyOf(large);
        large.clear();
        for (EventSource source : due) {
            source.trim();
        }
    }

    private void dispatch(long token, int events) {
        int slot = (int) token;
        int generation = (int) (token >>> 32);
        EventSource source = sources[slot];
        if (source == null || generations[slot] != generation) {
            return;
        }
        try {
            source.onEvents(events);
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "a source of the event loop failed", e);
        }
        if (spinNs > 0 && (events & EPOLLIN) != 0 && generations[slot] == generation) {
            cool();
            if (hot == NONE) {
                hot = slot;
                hotSince = System.nanoTime();
            }
        }
    }

    private void spin() {
        long started = System.nanoTime();
        long now = started;
        // A source leaves the loop, and stops being hot, when its peer is gone or a worker has it.
        while (hot != NONE && now - started < SPIN_EPOLL_NS) {
            boolean active = Objects.requireNonNull(sources[hot]).poll();
            now = System.nanoTime();
            if (active) {
                hotSince = now;
                hide();
            } else if (now - hotSince >= spinNs) {
                cool();
            } else {
                Thread.onSpinWait();
            }
        }
    }

    // Not at the first message: one alone is not worth two system calls.
    private void hide() {
        if (hot != NONE && !hidden) {
            epoll.remove(fds[hot]);
            hidden = true;
        }
    }

    // No source is hot any more; what has come meanwhile epoll reports. Where the kernel has no room to watch it, it
    // stays hot:
    // looked at all the time is better than never, and no reason to end the loop for the others.
    private void cool() {
        if (hidden) {
            try {
                epoll.add(fds[hot], interests[hot], token(hot));
            } catch (ErrnoException e) {
                hotSince = System.nanoTime();
                return;
            }
        }
        hidden = false;
        hot = NONE;
    }

    private void runTasks() {
        Runnable task = tasks.poll();
        while (task != null) {
            try {
                task.run();
            } catch (RuntimeException e) {
                LOG.log(Level.ERROR, "a task of the event loop failed", e);
            }
            task = tasks.poll();
        }
    }
}
