package org.vfio4j.devicemodel;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Cpus;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;

/**
 * A thread that runs queues of a busy device: all of them, or its share ({@link QueueThreads}). It exists from the first {@link #wake} on until it has been idle for a
 * while; the next wake makes a new one. Awake it polls; with nothing to do for some time it asks for notifications, leaves the
 * DMA window and sleeps on an eventfd.
 *
 * <p><b>No wakeup is lost.</b> {@code state} is the only word between wakers and the thread. {@link #wake} exchanges
 * {@code NOTIFIED} into it, after whatever it wakes for was published. The thread takes {@code NOTIFIED} away only by an
 * exchange after which it looks at everything once more; and it goes to sleep, or ends, only by a compare-and-set from
 * {@code AWAKE}. All of these are sequentially consistent. So a wake either comes before the exchange, and what it published is
 * seen in the pass after it; or it comes between the exchange and the compare-and-set, which then fails; or it finds
 * {@code ASLEEP} or {@code NO_THREAD} and itself signals or starts the thread.
 *
 * <p><b>Quiesced actions.</b> Everything that must not meet a running queue (a reset, taking memory away) is an action that runs
 * while nothing is in flight and the window is offline: on the thread, or on the caller when there is no thread. Actions run
 * one after the other and see each other's effects, and the thread's.
 */
public final class QueueThread implements AutoCloseable {

    private static final int NO_THREAD = 0;
    private static final int ASLEEP = 1;
    private static final int AWAKE = 2;
    private static final int NOTIFIED = 3;

    /** No thread, and a caller runs an action: a wake that comes meanwhile is made good by that caller. */
    private static final int HELD = 4;

    private static final long LATER_NS = 1_000_000;
    private static final Logger LOG = System.getLogger(QueueThread.class.getName());
    private static final VarHandle STATE;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(QueueThread.class, "state", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final String name;
    private final QueueWork work;
    private final QueuePolling polling;
    private final Cpus cpus;
    private final AtomicInteger signalling = new AtomicInteger();
    private final ThreadCpuTime cpuTime = new ThreadCpuTime();

    private volatile int state = NO_THREAD;
    private volatile @Nullable Fd eventFd;

    // Under this lock: making threads, and handing actions to them.
    private final Object control = new Object();
    private final ArrayDeque<Runnable> actions = new ArrayDeque<>();
    private @Nullable Thread thread;
    private boolean heldWithoutThread;

    // What a thread that is held waits for.
    private volatile CountDownLatch released = new CountDownLatch(0);

    // Belong to whoever runs actions: the thread, or a caller while there is none.
    private @Nullable DmaWindow window;
    private boolean closed;

    // Belong to the thread.
    private boolean online;
    private boolean begun;
    private boolean armed;
    private final SpinTime spin;

    /** @param name what the thread is called */
    public QueueThread(String name, QueueWork work, QueuePolling polling) {
        this(name, work, polling, Cpus.ANY);
    }

    /**
     * @param name what the thread is called
     * @param cpus where it runs; when that is not possible any more, it says so once and runs elsewhere
     */
    public QueueThread(String name, QueueWork work, QueuePolling polling, Cpus cpus) {
        this.name = name;
        this.work = work;
        this.polling = polling;
        this.cpus = cpus;
        spin = new SpinTime(polling);
    }

    /** There may be work. From any thread; never blocks, and without an awake thread it costs one system call. */
    public void wake() {
        int before = (int) STATE.getAndSet(this, NOTIFIED);
        if (before == ASLEEP) {
            signal();
        } else if (before == NO_THREAD) {
            synchronized (control) {
                startThread();
            }
        }
    }

    /** The queues master {@code space} from now on. It had none before. Returns when that is so. */
    public void attach(DmaSpace space) {
        callQuiesced(() -> window = space.openWindow());
        if (polling.always()) {
            wake();
        }
    }

    /** The queues have no memory any more. Returns when nothing is in flight. */
    public void detach() {
        callQuiesced(this::closeWindow);
    }

    /**
     * Has {@code action} run quiesced, and does not wait for it.
     *
     * @return whether it has already run
     */
    public boolean runQuiesced(Runnable action) {
        synchronized (control) {
            if (STATE.compareAndSet(this, NO_THREAD, HELD)) {
                try {
                    action.run();
                } finally {
                    if (!STATE.compareAndSet(this, HELD, NO_THREAD)) {
                        startThread();
                    }
                }
                return true;
            }
            actions.add(action);
        }
        wake();
        return false;
    }

    /**
     * Has {@code action} run quiesced, and waits for it at most {@code timeoutNs}; it runs in any case. Not from the thread
     * itself.
     *
     * @return whether it has run
     */
    public boolean runQuiesced(Runnable action, long timeoutNs) {
        CountDownLatch done = new CountDownLatch(1);
        boolean ran = runQuiesced(() -> {
            try {
                action.run();
            } finally {
                done.countDown();
            }
        });
        return ran || Waiting.forLatch(done, timeoutNs);
    }

    /** Has {@code action} run quiesced, and waits for it. Not from the thread itself. */
    public void callQuiesced(Runnable action) {
        runQuiesced(action, Long.MAX_VALUE);
    }

    /**
     * Has {@code held} run as soon as the queues are quiesced, which they stay until {@link #release}. For {@link QueueThreads},
     * which has no second hold under way meanwhile; other actions wait.
     */
    void hold(Runnable held) {
        CountDownLatch until = new CountDownLatch(1);
        boolean here;
        synchronized (control) {
            released = until;
            here = STATE.compareAndSet(this, NO_THREAD, HELD);
            heldWithoutThread = here;
            if (!here) {
                actions.add(() -> {
                    held.run();
                    Waiting.forLatch(until, Long.MAX_VALUE);
                });
            }
        }
        if (here) {
            held.run();
        } else {
            wake();
        }
    }

    /** Lets the queues go on after {@link #hold} has run its action. From any thread. */
    void release() {
        // Not under the lock: a thread that could not be started may have its actions run there.
        released.countDown();
        synchronized (control) {
            if (heldWithoutThread) {
                heldWithoutThread = false;
                if (!STATE.compareAndSet(this, HELD, NO_THREAD)) {
                    startThread();
                }
            }
        }
    }

    /** Whether there is a thread now. */
    public boolean isRunning() {
        int now = state;
        return now != NO_THREAD && now != HELD;
    }

    /** How long its threads have had a processor, in nanoseconds. */
    public long cpuNs() {
        return cpuTime.ns();
    }

    /** Ends the thread, when nothing is in flight any more. Wakes that come later do nothing. */
    @Override
    public void close() {
        callQuiesced(() -> {
            closed = true;
            closeWindow();
        });
        Thread ending;
        synchronized (control) {
            ending = thread;
        }
        if (ending != null) {
            Waiting.forEnd(ending);
        }
        Fd fd = eventFd;
        eventFd = null;
        if (fd != null) {
            // A waker that still found the descriptor counted itself first: until it is done the number must stay ours.
            while (signalling.get() != 0) {
                Thread.onSpinWait();
            }
            fd.close();
        }
    }

    private void signal() {
        signalling.incrementAndGet();
        Fd fd = eventFd;
        if (fd != null) {
            EventFd.signal(fd.value());
        }
        signalling.decrementAndGet();
    }

    /** Under the lock, by whoever took the state from NO_THREAD or HELD to NOTIFIED. */
    private void startThread() {
        if (!closed) {
            try {
                Fd fd = eventFd;
                Fd own = fd == null ? EventFd.create() : fd;
                eventFd = own;
                thread = Thread.ofPlatform().daemon().name(name).start(() -> run(own));
                return;
            } catch (ErrnoException | OutOfMemoryError e) {
                LOG.log(Level.ERROR, name + ": no thread for the queues until the next notification", e);
            }
        }
        // Nobody else is left to run what was handed over since.
        for (Runnable action = actions.poll(); action != null; action = actions.poll()) {
            action.run();
        }
        state = NO_THREAD;
    }

    private void run(Fd fd) {
        cpuTime.begin();
        armed = true;
        pin();
        while (true) {
            try {
                if (state == NOTIFIED) {
                    takeNotification();
                }
                boolean over = closed || !pass(fd);
                if (over && end()) {
                    return;
                }
            } catch (Throwable t) {
                fail(t);
            }
        }
    }

    /** One turn: polls, or sleeps when there is nothing. Returns false when it has been idle for too long. */
    private boolean pass(Fd fd) {
        DmaWindow memory = window;
        if (memory == null || !work.ready()) {
            goOffline();
            return sleep(fd, polling.idleNs());
        }
        goOnline(memory, fd);
        int did = work.poll(memory);
        if (memory.yieldRequested()) {
            goOffline();
            return true;
        }
        if (did > 0) {
            if (spin.isIdle()) {
                spin.found(System.nanoTime());
            }
            return true;
        }
        if (did == QueueWork.LATER) {
            goOffline();
            sleep(fd, LATER_NS);
            return true;
        }
        long waitNs = work.waitNs();
        return (waitNs == QueueWork.NOTHING && keepsPolling()) || rest(memory, fd, waitNs);
    }

    private boolean keepsPolling() {
        long now = System.nanoTime();
        if (!polling.always() && !spin.goesOn(now)) {
            return false;
        }
        work.looked(now);
        Thread.onSpinWait();
        return true;
    }

    /** Sleeps until something happens or the work wants to look. Returns false when nothing has for so long that the thread should end. */
    private boolean rest(DmaWindow memory, Fd fd, long waitNs) {
        armed = true;
        if (work.arm(memory)) {
            return true;
        }
        // I/O in flight points into guest memory: until it is done the window stays online, and its completion wakes
        // us.
        if (work.inFlight() > 0) {
            sleep(fd, waitNs == QueueWork.NOTHING ? Poll.FOREVER : waitNs);
            return true;
        }
        goOffline();
        return sleep(fd, Math.min(waitNs, polling.idleNs())) || waitNs != QueueWork.NOTHING;
    }

    private void pin() {
        try {
            if (!cpus.isEmpty()) {
                cpus.pinCallingThread();
            }
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "{0} runs on any CPU: {1}", name, e.getMessage());
        }
    }

    /** Returns false when the time ran out. */
    private boolean sleep(Fd fd, long timeoutNs) {
        if (!STATE.compareAndSet(this, AWAKE, ASLEEP)) {
            return true;
        }
        boolean signalled = Poll.poll(fd.value(), Poll.POLLIN, timeoutNs) != 0;
        EventFd.drain(fd.value());
        // Storage that signals a completion leaves the state to us; a waker has already changed it.
        return !STATE.compareAndSet(this, ASLEEP, AWAKE) || signalled;
    }

    private void takeNotification() {
        // An exchange, not a store: what the waker published before must be seen after.
        STATE.getAndSet(this, AWAKE);
        Runnable action = nextAction();
        if (action == null) {
            return;
        }
        try {
            goOffline();
        } catch (Throwable t) {
            fail(t);
        }
        // What an action asks for comes after the queues have had a turn.
        int more = waitingActions();
        action.run();
        for (int i = 0; i < more; i++) {
            Runnable next = nextAction();
            if (next != null) {
                next.run();
            }
        }
    }

    private int waitingActions() {
        synchronized (control) {
            return actions.size();
        }
    }

    private @Nullable Runnable nextAction() {
        synchronized (control) {
            return actions.poll();
        }
    }

    private void goOnline(DmaWindow memory, Fd fd) {
        if (!begun) {
            work.begin(fd);
            begun = true;
        }
        if (!online) {
            memory.enter();
            online = true;
            work.entered(memory);
        }
        if (armed) {
            armed = false;
            work.disarm(memory);
        }
    }

    private void goOffline() {
        DmaWindow memory = window;
        if (online && memory != null) {
            work.drain(memory);
            memory.leave();
        }
        online = false;
    }

    /** Whether the thread may end: not when it has been notified meanwhile. */
    private boolean end() {
        goOffline();
        endWork();
        // Before the next thread can begin.
        cpuTime.end();
        if (STATE.compareAndSet(this, AWAKE, NO_THREAD)) {
            return true;
        }
        cpuTime.begin();
        return false;
    }

    private void endWork() {
        if (begun) {
            begun = false;
            work.end();
        }
    }

    private void fail(Throwable cause) {
        try {
            tellOnline(cause);
        } catch (RuntimeException | Error again) {
            LOG.log(Level.ERROR, name + ": cannot stop after an error", again);
        }
    }

    /** In the window, where an action may have left it offline: the work tells its driver by an interrupt. */
    private void tellOnline(Throwable cause) {
        DmaWindow memory = window;
        if (online || memory == null) {
            work.failed(cause);
            return;
        }
        memory.enter();
        try {
            work.failed(cause);
        } finally {
            memory.leave();
        }
    }

    private void closeWindow() {
        DmaWindow memory = window;
        if (memory != null) {
            memory.close();
        }
        window = null;
        online = false;
        endWork();
    }
}
