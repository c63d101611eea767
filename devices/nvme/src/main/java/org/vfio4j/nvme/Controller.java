package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.Interrupts;
import org.vfio4j.devicemodel.QueueStatistics;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;

/**
 * The parts of a controller, and its state from one pass of its queue threads to the next. With one queue thread it belongs to that; of
 * several each has its {@link Lane}, and the first has the admin queues and the table of all queues: it {@link Lane#ask asks} the others
 * to serve one or to let it go. What else they share changes only while all are quiesced; but what failed commands leave behind, in logs
 * and events, is under the lock of {@link #handlerLock}.
 */
final class Controller implements ControllerHooks {

    /** What of the function's threads the controller needs. From any thread. */
    interface Threads {

        void wake(int lane);

        /** Has {@code task} run while all queue threads are quiesced, and does not wait for it. */
        void quiesce(Runnable task);

        /** See {@link ControllerHooks#run}. */
        void run(Runnable task);
    }

    /** A command that was held, and is done. */
    record HeldCompletion(int cid, int dw0, int status) {}

    private final NvmeRegisters registers;
    private final Doorbells doorbells;
    private final AdminHandler handler;
    private final DeviceRecorder statistics;
    private final DeviceLimits limits;
    private final SetUpJournal setUp;
    private final Threads threads;
    private final QueueTable queues;
    private final IoRules rules;
    private final InterruptPin pin;
    private final List<Lane> lanes = new ArrayList<>();
    private final int vectors;
    private final Object handlerLock = new Object();
    private final Queue<HeldCompletion> heldCompletions = new ConcurrentLinkedQueue<>();
    private final AtomicInteger aborts = new AtomicInteger();
    private final AtomicBoolean invalidDoorbell = new AtomicBoolean();

    private volatile boolean masters;
    private volatile boolean stopped;
    private volatile boolean discards;

    private boolean writeThrough;
    private int submissionLimit;
    private int completionLimit;
    private int resets;

    /** What a controller consists of beside itself. */
    record Parts(
            NvmeRegisters registers,
            Doorbells doorbells,
            Interrupts interrupts,
            AdminHandler handler,
            DeviceRecorder statistics,
            DeviceLimits limits,
            SetUpJournal setUp) {}

    /** @param laneCount how many queue threads there are */
    Controller(Parts parts, int queuePairs, int laneCount, Threads threads) {
        registers = parts.registers;
        doorbells = parts.doorbells;
        handler = parts.handler;
        statistics = parts.statistics;
        limits = parts.limits;
        setUp = parts.setUp;
        this.threads = threads;
        vectors = queuePairs + 1;
        submissionLimit = queuePairs;
        completionLimit = queuePairs;
        queues = new QueueTable(doorbells, queuePairs, laneCount);
        rules = new IoRules(handler.namespaces());
        pin = new InterruptPin(parts.interrupts::intx, System::nanoTime);
        for (int i = 0; i < laneCount; i++) {
            NvmeInterrupts own = new NvmeInterrupts(i, parts.interrupts, pin, registers, vectors);
            lanes.add(new Lane(i, this, new ShadowDoorbells(queuePairs), own));
        }
    }

    NvmeRegisters registers() {
        return registers;
    }

    Doorbells doorbells() {
        return doorbells;
    }

    AdminHandler handler() {
        return handler;
    }

    /** What whoever uses the handler holds, unless all queue threads are quiesced. */
    Object handlerLock() {
        return handlerLock;
    }

    QueueTable queues() {
        return queues;
    }

    DeviceLimits limits() {
        return limits;
    }

    SetUpJournal setUp() {
        return setUp;
    }

    /** Counters of a queue pair, 0 for the admin queues. */
    QueueStatistics statistics(int qid) {
        return statistics.queue(qid);
    }

    IoRules rules() {
        return rules;
    }

    InterruptPin pin() {
        return pin;
    }

    List<Lane> lanes() {
        return lanes;
    }

    /** That of the admin queues. */
    Lane firstLane() {
        return lanes.getFirst();
    }

    /** Whether there are several queue threads. */
    boolean isShared() {
        return lanes.size() > 1;
    }

    /** The first lane's thread takes from it, any may add. */
    Queue<HeldCompletion> heldCompletions() {
        return heldCompletions;
    }

    boolean isWriteThrough() {
        return writeThrough;
    }

    int pageBytes() {
        return registers.pageBytes();
    }

    /** Whether the function may do DMA at all. From the function's thread. */
    void setBusMaster(boolean enabled) {
        masters = enabled;
    }

    /** Whether it is suspended. From any thread. */
    void setStopped(boolean suspended) {
        stopped = suspended;
    }

    boolean isStopped() {
        return stopped;
    }

    /** A reset is about to come: nobody wants an answer to what is under way. From any thread. */
    void discard() {
        discards = true;
    }

    boolean discards() {
        return discards;
    }

    /** Whether its queues may run. */
    boolean isRunning() {
        return masters && !stopped && registers.isReady();
    }

    /** How often all queues went: a command that was begun before such a time is gone. */
    int resets() {
        return resets;
    }

    /** CC.EN was set. Quiesced, as the following. */
    void enable() {
        int submissions = (registers.adminAttributes() & 0xfff) + 1;
        int completions = ((registers.adminAttributes() >>> Short.SIZE) & 0xfff) + 1;
        if (!registers.isLegal() || submissions < 2 || completions < 2) {
            registers.setStatus(CSTS_CFS);
            return;
        }
        CompletionQueue queue =
                new CompletionQueue(0, registers.adminCompletion(), completions, 0, true, statistics.queue(0));
        create(queue);
        create(new SubmissionQueue(0, registers.adminSubmission(), submissions, queue, statistics.queue(0)));
        setUp.begin();
        registers.setStatus(CSTS_RDY);
        setUp.save(this, null, false);
    }

    /** A controller reset. */
    void disable() {
        discards = false;
        forgetQueues();
        lanes.forEach(lane -> lane.interrupts.reset());
        writeThrough = false;
        setNumberOfQueues(queuePairs(), queuePairs());
        handler.controllerReset();
        registers.controllerReset();
    }

    /** There are no queues any more, nor anything of theirs. */
    void forgetQueues() {
        resets++;
        setUp.forget();
        queues.clear();
        lanes.forEach(Lane::clear);
        aborts.set(0);
        invalidDoorbell.set(false);
        heldCompletions.clear();
    }

    /** CC.SHN was set: everything becomes stable. */
    void shutdown() {
        setUp.end();
        withStorage(this::flush);
        handler.shutdown();
        registers.setShutdownStatus(CSTS_SHST_COMPLETE);
    }

    /** The only thread's storage; or when there is none, or another may be asking, some that lives as long as {@code task} runs. */
    private void withStorage(Consumer<Storage> task) {
        if (!isShared() && firstLane().isInUse()) {
            task.accept(firstLane().openEngine().storage());
            return;
        }
        try (Fd own = EventFd.create();
                Storage storage = new Storage(1, own, () -> MappingSet.EMPTY)) {
            task.accept(storage);
        }
    }

    private void flush(Storage storage) {
        Namespaces all = handler.namespaces();
        int[] result = {0};
        for (int nsid = 1; nsid <= all.count(); nsid++) {
            Namespace namespace = all.active(nsid);
            if (namespace != null) {
                storage.queue(namespace.backend()).flush(0);
                storage.awaitAll((tag, answer) -> result[0] = Math.min(result[0], answer));
            }
        }
        if (result[0] != 0) {
            registers.addStatus(CSTS_CFS);
        }
    }

    /** A queue that nobody has rung for, and its thread to serve it. */
    void create(CompletionQueue queue) {
        doorbells.set(Doorbells.headOf(queue.id), 0);
        add(queue);
    }

    /** The same. */
    void create(SubmissionQueue queue) {
        doorbells.set(Doorbells.tailOf(queue.id), 0);
        add(queue);
    }

    /** Has its thread serve a queue. */
    void add(CompletionQueue queue) {
        queues.add(queue);
        Lane lane = laneOf(queue);
        lane.ask(window -> lane.serve(queue));
    }

    /** Has the thread of its completion queue serve a queue; the admin queue is not among those. */
    void add(SubmissionQueue queue) {
        queues.add(queue);
        if (queue.id != 0) {
            Lane lane = laneOf(queue.completions);
            lane.ask(window -> lane.serve(queue));
        }
    }

    /** Has its thread let go of a queue, as soon as no submission queue uses it; then it is gone, and the command that wants that is completed. */
    void delete(CompletionQueue queue, int cid) {
        queue.deletionWanted = true;
        queue.deletingCid = cid;
        if (queue.users == 0) {
            drop(queue);
        }
    }

    private void drop(CompletionQueue queue) {
        Lane lane = laneOf(queue);
        lane.ask(window -> {
            lane.drop(queue, window);
            firstLane().ask(own -> {
                queues.remove(queue);
                complete(queue.deletingCid, 0, NvmeStatus.SUCCESSFUL_COMPLETION);
            });
        });
    }

    /** The same, as soon as the storage has answered all that it has of the queue's commands. */
    void delete(SubmissionQueue queue, int cid) {
        queue.deletionWanted = true;
        queue.deletingCid = cid;
        queue.completions.leavers++;
        Lane lane = laneOf(queue.completions);
        lane.ask(window -> lane.delete(queue));
    }

    /** The thread of a lane has let go of a queue. */
    void deleted(SubmissionQueue queue, Lane by) {
        if (by.equals(firstLane())) {
            gone(queue);
        } else {
            firstLane().ask(window -> gone(queue));
        }
    }

    private void gone(SubmissionQueue queue) {
        queues.remove(queue);
        complete(queue.deletingCid, 0, NvmeStatus.SUCCESSFUL_COMPLETION);
        CompletionQueue completions = queue.completions;
        completions.leavers--;
        if (completions.deletionWanted && completions.users == 0) {
            drop(completions);
        }
    }

    private Lane laneOf(CompletionQueue queue) {
        return lanes.get(queues.laneOf(queue.id));
    }

    void wake(int lane) {
        threads.wake(lane);
    }

    /**
     * Has a command of an I/O queue aborted.
     *
     * @param by the Abort, which is held until {@link #abortDone}
     * @return false when too many are under way
     */
    boolean abort(SubmissionQueue queue, int cid, int by) {
        if (aborts.get() == NvmeLimits.MAX_ABORTS) {
            return false;
        }
        aborts.incrementAndGet();
        laneOf(queue.completions).aborts.ask(queue.id, cid, by);
        return true;
    }

    void abortDone(int by, boolean aborted) {
        aborts.decrementAndGet();
        complete(by, aborted ? 0 : ABORT_NOT_DONE, NvmeStatus.SUCCESSFUL_COMPLETION);
    }

    /** Nothing is in flight: what waits for that has its answer, before the state is saved. Quiesced. */
    void settle() {
        // One that is done may have the first thread told, and that one ask for another.
        do {
            for (Lane lane : lanes) {
                lane.carryOut(null);
                lane.finishDeletions();
            }
        } while (lanes.stream().anyMatch(Lane::isAsked));
    }

    /** The driver rang for a queue that there is not: that is told once, until the first thread has heard of it. From any thread. */
    void invalidDoorbellRegister() {
        if (invalidDoorbell.getAndSet(true)) {
            return;
        }
        firstLane().ask(window -> {
            invalidDoorbell.set(false);
            invalidDoorbell(firstLane(), EVENT_WRITE_TO_INVALID_DOORBELL_REGISTER);
        });
    }

    /** The driver wrote a doorbell with a value that cannot be. */
    void invalidDoorbellValue(Lane lane) {
        invalidDoorbell(lane, EVENT_INVALID_DOORBELL_WRITE_VALUE);
    }

    private void invalidDoorbell(Lane lane, int event) {
        lane.tally.faults++;
        synchronized (handlerLock) {
            handler.asynchronousEvent(EVENT_ERROR_STATUS, event, LOG_ERROR_INFORMATION);
        }
    }

    /** A command failed. */
    void failed(Lane lane, int sqid, int cid, int status, int nsid, long lba) {
        lane.tally.failed(status);
        synchronized (handlerLock) {
            handler.failed(sqid, cid, status, nsid, lba);
        }
    }

    @Override
    public void run(Runnable task) {
        threads.run(task);
    }

    /** As {@link #run}, also while it is suspended. */
    void quiesce(Runnable task) {
        threads.quiesce(task);
    }

    @Override
    public void complete(int cid, int dw0, int status) {
        heldCompletions.add(new HeldCompletion(cid, dw0, status));
        threads.wake(0);
    }

    @Override
    public int queuePairs() {
        return queues.queuePairs();
    }

    @Override
    public boolean hasIoQueues() {
        return queues.hasIoQueues();
    }

    @Override
    public void setNumberOfQueues(int submissions, int completions) {
        submissionLimit = submissions;
        completionLimit = completions;
    }

    int submissionLimit() {
        return submissionLimit;
    }

    int completionLimit() {
        return completionLimit;
    }

    @Override
    public int vectors() {
        return vectors;
    }

    @Override
    public void drain() {
        for (Lane lane : lanes) {
            IoEngine open = lane.engine();
            if (open != null && open.inFlight() != 0) {
                open.drain();
            }
        }
    }

    @Override
    public void release(BlockBackend backend) {
        lanes.forEach(lane -> lane.release(backend));
    }

    /** Whether some thread has yet to close what was released. From any thread. */
    boolean isReleasing() {
        return lanes.stream().anyMatch(Lane::isReleasing);
    }

    /** Closes it for threads that do not look. Quiesced. */
    void closeReleased() {
        lanes.forEach(Lane::closeReleased);
    }

    @Override
    public int clear(BlockBackend backend, long offset, long length) {
        drain();
        int[] result = {0};
        withStorage(storage -> {
            storage.queue(backend).writeZeroes(offset, length, true, 0);
            storage.awaitAll((tag, answer) -> result[0] = answer);
        });
        return result[0];
    }

    @Override
    public void setWriteCache(boolean enabled) {
        writeThrough = !enabled;
    }

    @Override
    public void setCoalescing(int threshold, int time) {
        lanes.forEach(lane -> lane.interrupts.setCoalescing(threshold, time));
    }

    @Override
    public void setCoalescingDisabled(int vector, boolean disabled) {
        lanes.forEach(lane -> lane.interrupts.setCoalescingDisabled(vector, disabled));
    }

    @Override
    public IoTally tally() {
        IoTally sum = new IoTally();
        lanes.forEach(lane -> sum.add(lane.tally));
        return sum;
    }
}
