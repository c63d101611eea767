package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.Interrupts;
import org.vfio4j.devicemodel.QueueStatistics;

/**
 * The parts of a controller, and its state from one pass of its queue threads to the next. With one queue thread it belongs to that; of
 * several each has its {@link Lane}, and the first has the admin queues and the table of all queues: see {@link QueueErrands}. What else they share changes only while all are quiesced; but what failed commands leave behind, in logs
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

    /** {@link AdminHandler#failed}: an error that no command has. */
    private static final int NO_COMMAND = -1;

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
    private final QueueErrands errands;
    private final OwnStorage ownStorage;
    private final IoRules rules;
    private final InterruptPin pin;
    private final List<Lane> lanes = new ArrayList<>();
    private final int vectors;
    private final Object handlerLock = new Object();
    private final Queue<HeldCompletion> heldCompletions = new ConcurrentLinkedQueue<>();
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
        errands = new QueueErrands(this, doorbells, queues);
        ownStorage = new OwnStorage(this);
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

    QueueErrands errands() {
        return errands;
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
        errands.create(queue);
        errands.create(new SubmissionQueue(0, registers.adminSubmission(), submissions, queue, statistics.queue(0)));
        // Before the driver sees it, and rings.
        setUp.begin(this);
        registers.setStatus(CSTS_RDY);
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
        errands.clear();
        invalidDoorbell.set(false);
        heldCompletions.clear();
    }

    /** CC.SHN was set: everything becomes stable. */
    void shutdown() {
        setUp.end();
        if (!ownStorage.flush()) {
            registers.addStatus(CSTS_CFS);
        }
        handler.shutdown();
        registers.setShutdownStatus(CSTS_SHST_COMPLETE);
    }

    void wake(int lane) {
        threads.wake(lane);
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
            handler.failed(NO_COMMAND, 0, NvmeStatus.SUCCESSFUL_COMPLETION, 0, 0);
            handler.asynchronousEvent(EVENT_ERROR_STATUS, event, LOG_ERROR_INFORMATION);
        }
    }

    /** It stops until it is reset, and says so. By a queue thread. */
    void fatal(Lane lane) {
        lane.tally.faults++;
        setUp.end();
        registers.addStatus(CSTS_CFS);
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
        return ownStorage.clear(backend, offset, length);
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
