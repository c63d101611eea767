package org.vfio4j.devicemodel;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Cpus;

/**
 * The queue threads of one function: each has work of its own, whose queues no other touches, and a DMA window of its own. They
 * come and end one by one, as {@link QueueThread} says.
 *
 * <p><b>Quiesced actions</b> run while all of them are held. Each is asked to stop; who stops last runs every action that waits,
 * and lets all go on; what these actions ask for comes after the queues have had a turn. Only one such hold is under way at a time, so that two callers cannot wait for each other's threads, and an
 * action that comes meanwhile is run by it or begins the next. Nobody waits for a hold but the threads that are held, and callers
 * who asked for that.
 */
public final class QueueThreads implements AutoCloseable {

    private static final int NO_HOLD = -1;

    private final QueueThread[] threads;

    // Under this lock: which actions wait, and how many threads have yet to stop; -1 while nothing is under way.
    private final Object control = new Object();
    private final ArrayDeque<Runnable> actions = new ArrayDeque<>();
    private int running = NO_HOLD;

    /**
     * @param name what a lone thread is called; of several each has its number behind it
     * @param works one for each thread
     * @param cpus where they run: thread {@code i} on the {@code i}th of them, and so on in turn
     */
    public QueueThreads(String name, List<? extends QueueWork> works, QueuePolling polling, Cpus cpus) {
        if (works.isEmpty()) {
            throw new IllegalArgumentException(name + ": no work, no threads");
        }
        List<QueueThread> made = new ArrayList<>();
        for (int i = 0; i < works.size(); i++) {
            String own = works.size() == 1 ? name : name + "-" + i;
            made.add(new QueueThread(own, works.get(i), polling, cpus.ofThread(i)));
        }
        threads = made.toArray(QueueThread[]::new);
    }

    public int count() {
        return threads.length;
    }

    /** There may be work for thread {@code index}: see {@link QueueThread#wake}. */
    public void wake(int index) {
        threads[index].wake();
    }

    public void wakeAll() {
        forEach(QueueThread::wake);
    }

    /** The queues master {@code space} from now on. They had none before. Returns when that is so. */
    public void attach(DmaSpace space) {
        forEach(thread -> thread.attach(space));
    }

    /** The queues have no memory any more. Returns when nothing is in flight. */
    public void detach() {
        forEach(QueueThread::detach);
    }

    /**
     * Has {@code action} run while every thread is quiesced, and does not wait for it.
     *
     * @return whether it has already run
     */
    public boolean runQuiesced(Runnable action) {
        if (threads.length == 1) {
            return threads[0].runQuiesced(action);
        }
        AtomicBoolean ran = new AtomicBoolean();
        boolean begins;
        synchronized (control) {
            actions.add(() -> {
                action.run();
                ran.set(true);
            });
            begins = running == NO_HOLD;
            if (begins) {
                running = threads.length;
            }
        }
        if (begins) {
            holdAll();
        }
        return ran.get();
    }

    /** As {@link QueueThread#runQuiesced(Runnable, long)}. */
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

    /** Has {@code action} run while every thread is quiesced, and waits for it. From none of these threads. */
    public void callQuiesced(Runnable action) {
        runQuiesced(action, Long.MAX_VALUE);
    }

    /** Whether there is any thread now. */
    public boolean isRunning() {
        for (QueueThread thread : threads) {
            if (thread.isRunning()) {
                return true;
            }
        }
        return false;
    }

    /** Ends all, when nothing is in flight any more. Wakes that come later do nothing. */
    @Override
    public void close() {
        forEach(QueueThread::close);
    }

    private void holdAll() {
        forEach(thread -> thread.hold(this::stopped));
    }

    /** One more thread has stopped. */
    private void stopped() {
        synchronized (control) {
            if (--running > 0) {
                return;
            }
        }
        try {
            runActions();
        } finally {
            forEach(QueueThread::release);
            boolean again;
            synchronized (control) {
                // An action may have come meanwhile, or one has thrown.
                again = !actions.isEmpty();
                running = again ? threads.length : NO_HOLD;
            }
            if (again) {
                holdAll();
            }
        }
    }

    private void runActions() {
        int waiting;
        synchronized (control) {
            waiting = actions.size();
        }
        // What an action asks for comes after the queues have had a turn.
        for (int i = 0; i < waiting; i++) {
            Runnable action;
            synchronized (control) {
                action = actions.remove();
            }
            action.run();
        }
    }

    /** How long its threads have had a processor, those that have ended included. From any thread. */
    public long cpuNs() {
        long sum = 0;
        for (QueueThread thread : threads) {
            sum += thread.cpuNs();
        }
        return sum;
    }

    private void forEach(Consumer<QueueThread> what) {
        for (QueueThread thread : threads) {
            what.accept(thread);
        }
    }
}
