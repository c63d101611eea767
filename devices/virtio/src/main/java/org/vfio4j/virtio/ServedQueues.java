package org.vfio4j.virtio;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueThreads;
import org.vfio4j.sys.ErrnoException;

/**
 * The queues that a driver has made ready, shared out to the function's queue threads: queue i belongs to the thread i modulo their number.
 * Called by the function's thread, except where it says otherwise.
 */
final class ServedQueues {

    private final VirtioStatus status;
    private final DeviceRecorder statistics;
    private final VirtioQueues[] shares;
    private final QueueThreads threads;

    // How often they were suspended. Under this object's lock, with what a suspension changes.
    private int suspensions;

    // Replaced by the function's thread, or while it sees a reset under way.
    private volatile SplitQueue[] served = {};

    ServedQueues(
            VirtioDevice device,
            VirtioStatus status,
            VirtioInterrupts interrupts,
            DeviceRecorder statistics,
            QueuePolling polling) {
        this.status = status;
        this.statistics = statistics;
        shares = new VirtioQueues[device.threadCount()];
        for (int i = 0; i < shares.length; i++) {
            shares[i] = new VirtioQueues(device.name(), device, status, interrupts, polling.always());
        }
        threads = new QueueThreads(device.name(), List.of(shares), polling, device.cpus());
    }

    /** The driver has made chains available. From the function's thread, or whoever watches the driver's eventfds. */
    void driverNotified(int queue) {
        if (status.isLive()) {
            statistics.queue(queue).notified();
            int share = queue % shares.length;
            shares[share].driverNotified();
            threads.wake(share);
        }
    }

    /** Has the threads look again. From any thread. */
    void wake() {
        if (status.isLive()) {
            threads.wakeAll();
        }
    }

    void attach(DmaSpace space) {
        threads.attach(space);
    }

    void detach() {
        threads.detach();
    }

    void setBusMaster(boolean enabled) {
        for (VirtioQueues share : shares) {
            share.setBusMaster(enabled);
        }
        wake();
    }

    /** Whether queues stand still, which they do after the next time that they are stopped. */
    synchronized void setSuspended(boolean stop) {
        suspensions += stop ? 1 : 0;
        for (VirtioQueues share : shares) {
            share.setSuspended(stop);
        }
    }

    synchronized int suspensions() {
        return suspensions;
    }

    /** Has queues go on, unless they have been suspended since there were so many {@link #suspensions}. From any thread. */
    synchronized void goOnSince(int then) {
        if (suspensions == then) {
            setSuspended(false);
        }
    }

    /** Ends the threads. */
    void close() {
        threads.close();
    }

    Optional<SplitQueue> find(int index) {
        return Arrays.stream(served).filter(queue -> queue.index() == index).findFirst();
    }

    /** Whether some still do again what another process had begun. */
    boolean areRecovering() {
        return Arrays.stream(served).anyMatch(SplitQueue::isRecovering);
    }

    /** Serves these as well from now on; those that are served go on where they are, whatever the storage has of theirs. */
    void add(List<SplitQueue> others) {
        List<SplitQueue> all = new ArrayList<>(List.of(served));
        all.addAll(others);
        served = all.toArray(SplitQueue[]::new);
        for (SplitQueue queue : others) {
            shares[queue.index() % shares.length].add(queue);
        }
        threads.wakeAll();
    }

    /** Serves these and no others; only in {@link #callQuiesced} and {@link #runQuiesced}. */
    void replace(List<SplitQueue> others) {
        for (SplitQueue queue : served) {
            queue.close();
        }
        served = others.toArray(SplitQueue[]::new);
        use(served);
    }

    private void use(SplitQueue[] all) {
        for (int i = 0; i < shares.length; i++) {
            int share = i;
            shares[i].use(Arrays.stream(all)
                    .filter(queue -> queue.index() % shares.length == share)
                    .toArray(SplitQueue[]::new));
        }
    }

    /** Has the threads tell the driver of what may have been completed without a word. Only in {@link #callQuiesced}. */
    void announce() {
        for (VirtioQueues share : shares) {
            share.announce();
        }
    }

    /** Has a thread tell the driver that the configuration has changed. From any thread. */
    void announceConfig() {
        shares[0].announceConfig();
        wake();
    }

    /** Whether the driver is still to be told that the configuration has changed; only while the queues are stopped. */
    boolean isConfigUntold() {
        return shares[0].isConfigUntold();
    }

    /** Runs it while all queues are stopped, which the caller waits for. */
    void callQuiesced(Runnable action) {
        threads.callQuiesced(action);
    }

    /** The same for what has an answer. */
    <T> T askQuiesced(Supplier<T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        threads.callQuiesced(() -> {
            try {
                answer.complete(question.get());
            } catch (RuntimeException e) {
                answer.completeExceptionally(e);
            }
        });
        try {
            return answer.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ErrnoException refused ? refused : e;
        }
    }

    /** Runs it as soon as all queues are stopped; the caller waits for so long at most. */
    void runQuiesced(Runnable action, long waitNs) {
        threads.runQuiesced(action, waitNs);
    }

    /** How often the driver made the device ask for a reset. */
    long faultCount() {
        return Arrays.stream(shares).mapToLong(VirtioQueues::faultCount).sum();
    }

    /** Whether there is any thread now. */
    boolean isRunning() {
        return threads.isRunning();
    }

    long cpuNs() {
        return threads.cpuNs();
    }
}
