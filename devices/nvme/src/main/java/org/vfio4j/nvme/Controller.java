package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.ArrayDeque;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/** The parts of a controller, and its state from one pass of the queue thread to the next. Belongs to that thread. */
final class Controller implements ControllerHooks {

    /** What of the function's threads the controller needs. */
    interface Threads {

        void wake();

        /** See {@link ControllerHooks#run}. */
        void run(Runnable task);
    }

    /** A command that was held, and is done. */
    record HeldCompletion(int cid, int dw0, int status) {}

    private final NvmeRegisters registers;
    private final Doorbells doorbells;
    private final NvmeInterrupts interrupts;
    private final AdminHandler handler;
    private final IoTally tally;
    private final Threads threads;
    private final QueueTable queues;
    private final ShadowDoorbells shadow;
    private final IoRules rules;
    private final ArrayDeque<HeldCompletion> heldCompletions = new ArrayDeque<>();

    private boolean writeThrough;
    private int deletions;
    private @Nullable Fd eventFd;
    private @Nullable IoEngine engine;

    Controller(
            NvmeRegisters registers,
            Doorbells doorbells,
            NvmeInterrupts interrupts,
            AdminHandler handler,
            IoTally tally,
            int queuePairs,
            Threads threads) {
        this.registers = registers;
        this.doorbells = doorbells;
        this.interrupts = interrupts;
        this.handler = handler;
        this.tally = tally;
        this.threads = threads;
        queues = new QueueTable(doorbells, queuePairs);
        shadow = new ShadowDoorbells(queuePairs);
        rules = new IoRules(handler.namespaces());
    }

    NvmeRegisters registers() {
        return registers;
    }

    Doorbells doorbells() {
        return doorbells;
    }

    NvmeInterrupts interrupts() {
        return interrupts;
    }

    AdminHandler handler() {
        return handler;
    }

    QueueTable queues() {
        return queues;
    }

    ShadowDoorbells shadow() {
        return shadow;
    }

    IoRules rules() {
        return rules;
    }

    ArrayDeque<HeldCompletion> heldCompletions() {
        return heldCompletions;
    }

    boolean isWriteThrough() {
        return writeThrough;
    }

    int pageBytes() {
        return registers.pageBytes();
    }

    /** The thread has begun, with this to wake it; or ends, with null: nothing is in flight. */
    void use(@Nullable Fd eventFd) {
        this.eventFd = eventFd;
        if (eventFd == null) {
            closeEngine();
        }
    }

    @Nullable
    IoEngine engine() {
        return engine;
    }

    /** That which is there, or a new one. Only while the thread runs. */
    IoEngine openEngine() {
        IoEngine open = engine;
        if (open == null) {
            open = new IoEngine(this, Objects.requireNonNull(eventFd));
            engine = open;
        }
        return open;
    }

    void closeEngine() {
        IoEngine open = engine;
        engine = null;
        if (open != null) {
            open.close();
        }
    }

    /** CC.EN was set. Quiesced, as the following. */
    void enable() {
        int submissions = (registers.adminAttributes() & 0xfff) + 1;
        int completions = ((registers.adminAttributes() >>> Short.SIZE) & 0xfff) + 1;
        if (!registers.isLegal() || submissions < 2 || completions < 2) {
            registers.setStatus(CSTS_CFS);
            return;
        }
        CompletionQueue queue = new CompletionQueue(0, registers.adminCompletion(), completions, 0, true);
        queues.add(queue);
        queues.add(new SubmissionQueue(0, registers.adminSubmission(), submissions, queue));
        registers.setStatus(CSTS_RDY);
    }

    /** A controller reset. */
    void disable() {
        forgetQueues();
        interrupts.reset();
        writeThrough = false;
        handler.controllerReset();
        registers.controllerReset();
    }

    /** There are no queues any more, nor anything of theirs. */
    void forgetQueues() {
        queues.clear();
        shadow.reset();
        heldCompletions.clear();
        deletions = 0;
        queuesChanged();
    }

    /** CC.SHN was set: everything becomes stable. */
    void shutdown() {
        withStorage(this::flush);
        handler.shutdown();
        registers.setShutdownStatus(CSTS_SHST_COMPLETE);
    }

    /** The thread's storage, or when there is no thread some that lives as long as {@code task} runs. */
    private void withStorage(Consumer<Storage> task) {
        if (eventFd != null) {
            task.accept(openEngine().storage());
            return;
        }
        try (Fd own = EventFd.create();
                Storage storage = new Storage(1, own)) {
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

    /** A queue's shadow doorbell says what the queue does. */
    void shadow(int doorbell, int value, DmaWindow window) {
        if (shadow.isConfigured() && (shadow.isLocated() || shadow.locate(window))) {
            shadow.set(doorbell, value, window);
        }
    }

    void queuesChanged() {
        IoEngine open = engine;
        if (open != null) {
            open.queuesChanged();
        }
    }

    void remove(SubmissionQueue queue) {
        queues.remove(queue);
        queuesChanged();
    }

    /** A command that deletes a queue waits for what is in flight there. */
    void deletionHeld() {
        deletions++;
    }

    /** Deletes the queues that have become empty. */
    void finishDeletions() {
        if (deletions == 0) {
            return;
        }
        for (SubmissionQueue queue : queues.submissions()) {
            if (queue.deleting && queue.inFlight == 0) {
                deletions--;
                remove(queue);
                complete(queue.deletingCid, 0, NvmeStatus.SUCCESSFUL_COMPLETION);
            }
        }
    }

    /** The driver wrote a doorbell with a value that cannot be. */
    void invalidDoorbellValue() {
        tally.faults++;
        handler.asynchronousEvent(EVENT_ERROR_STATUS, EVENT_INVALID_DOORBELL_WRITE_VALUE, LOG_ERROR_INFORMATION);
    }

    @Override
    public void run(Runnable task) {
        threads.run(task);
    }

    @Override
    public void complete(int cid, int dw0, int status) {
        heldCompletions.add(new HeldCompletion(cid, dw0, status));
        threads.wake();
    }

    @Override
    public int queuePairs() {
        return queues.queuePairs();
    }

    @Override
    public boolean hasIoQueues() {
        return queues.submissions().length != 0 || queues.completions().length > 1;
    }

    @Override
    public int vectors() {
        return interrupts.vectors();
    }

    @Override
    public void drain() {
        IoEngine open = engine;
        if (open != null) {
            open.drain();
        }
    }

    @Override
    public void release(BlockBackend backend) {
        IoEngine open = engine;
        if (open != null) {
            open.release(backend);
        }
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
        interrupts.setCoalescing(threshold, time);
    }

    @Override
    public void setCoalescingDisabled(int vector, boolean disabled) {
        interrupts.setCoalescingDisabled(vector, disabled);
    }

    @Override
    public IoTally tally() {
        return tally;
    }
}
