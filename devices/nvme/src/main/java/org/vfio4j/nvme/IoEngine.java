package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.EINTR;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.CommandRun;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.RawMemory;

/**
 * I/O commands (NVM Command Set 1.0, 3.2) from submission to completion queue entry, without a copy of their data: the storage reads
 * and writes the driver's own memory. Belongs to the queue thread; no command allocates.
 *
 * <p>Commands of several steps go by way of {@link LongIo}, one at a time. What does not fit (memory that is not mapped, an SGL of very
 * many pieces) goes to {@link SlowIo}.
 */
final class IoEngine implements BlockCompletion, AutoCloseable {

    /** How many commands may be in flight, over all queues. */
    private static final int DEPTH = 1024;

    /** Commands of one queue before the next one has its turn, and the driver hears of what is done. */
    private static final int BATCH = 32;

    private final Lane lane;
    private final Controller controller;
    private final IoTally tally;
    private final DeviceLimits limits;
    private final Storage storage;
    private final IoSlots slots = new IoSlots(DEPTH);
    private final IoCommand command = new IoCommand();
    private final IoStart start;
    private final LongIo longIo;
    private final SlowIo slow;

    private int completed;

    private final CommandRun run = new CommandRun(IoCommandSet.NVM);

    // When the queues were last looked at, or answered: 0 once a command has been started since, or the thread has
    // slept.
    private long lookedNs;
    private boolean draining;

    // That of the commands in flight.
    private @Nullable DmaWindow window;

    IoEngine(Lane lane, Fd eventFd) {
        this.lane = lane;
        controller = lane.controller();
        tally = lane.tally;
        limits = controller.limits();
        storage = new Storage(DEPTH, eventFd, this::memory);
        longIo = new LongIo(controller, storage);
        slow = new SlowIo(lane, storage, longIo);
        start = new IoStart(controller, command, slots, storage, longIo);
        slots.share(lane.submissions());
    }

    IoSlots slots() {
        return slots;
    }

    Storage storage() {
        return storage;
    }

    /** There are other submission queues than before. */
    void queuesChanged() {
        slots.share(lane.submissions());
    }

    /**
     * Starts what waits in a queue that is mapped. Returns how many commands it took; less than there are, for want of room, or
     * because the next one must be {@link #serveSlowly served slowly}, which {@link SubmissionQueue#slowly} says then.
     */
    int serve(SubmissionQueue queue, DmaWindow window) {
        this.window = window;
        int limit = Math.min(Math.min(queue.waiting(), BATCH), queue.completions.room());
        limit = Math.min(limit, slots.available(queue));
        if (limit <= 0) {
            return 0;
        }
        boolean limited = limits.isSet();
        int taken = 0;
        long seenNs = lookedNs == 0 ? System.nanoTime() : lookedNs;
        lookedNs = 0;
        while (taken < limit && (!limited || limits.waitNs() == 0)) {
            queue.pass();
            command.load(queue.headAddress());
            if (longIo.slot() != IoSlots.NONE && LongIo.isOne(command)) {
                break;
            }
            queue.take();
            int outcome = start.start(queue, window, seenNs);
            if (outcome == DataPointer.UNREACHABLE) {
                queue.putBack();
                queue.slowly = true;
                break;
            }
            if (outcome != IoStart.STARTED) {
                answer(queue, outcome == IoStart.NOTHING_TO_DO ? SUCCESSFUL_COMPLETION : outcome);
            }
            taken++;
            if (limited) {
                limits.charge(start.chargedBytes());
            }
        }
        queue.statistics.started(taken);
        return taken;
    }

    /**
     * Carries out one command that was copied to {@code entry}, with nothing else in flight. The window may be offline meanwhile.
     *
     * @return its status, or {@link DataPointer#CUT_SHORT}
     */
    int serveSlowly(SubmissionQueue queue, long entry, DmaWindow window) {
        this.window = window;
        long startNs = System.nanoTime();
        command.load(entry);
        int status = slow.run(command, window);
        if (status != DataPointer.CUT_SHORT) {
            tally.slow++;
            report(queue.id, command.cid, status, command.nsid, command.slba());
            int bytes = slow.movedBytes();
            limits.charge(slow.chargedBytes());
            queue.statistics.started(1);
            long latencyNs = System.nanoTime() - startNs;
            IoTally.answered(queue.statistics, command.opcode, command.slba(), status, bytes, latencyNs);
        }
        return status;
    }

    /** Completes what the storage has done. Returns how many commands that were. */
    int complete() {
        completed = 0;
        storage.poll(this);
        long now = run.end();
        if (now != 0) {
            lookedNs = now;
        }
        return completed;
    }

    int inFlight() {
        return storage.inFlight();
    }

    /** All queues were looked at in vain, and are again at once; or, with 0, who knows when. */
    void looked(long nowNs) {
        lookedNs = nowNs;
    }

    void drain() {
        draining = true;
        storage.awaitAll(this);
        draining = false;
    }

    /** From now on completions wake the thread. Returns true when there is one already. */
    boolean arm() {
        if (storage.inFlight() == 0) {
            return false;
        }
        storage.arm();
        return complete() > 0;
    }

    void disarm() {
        storage.disarm();
    }

    /** As {@link Storage#release}. */
    boolean release(BlockBackend backend) {
        start.forget();
        return storage.release(backend);
    }

    @Override
    public void close() {
        storage.close();
        slots.close();
        slow.close();
        longIo.close();
        start.close();
    }

    /** The storage is done with a slot's command, or with one step of it. */
    @Override
    public void complete(int slot, int result) {
        if (slot == longIo.slot()) {
            completeLong(slot, result);
            return;
        }
        int expected = slots.expected[slot];
        int abort = slots.abortStatus[slot];
        if (result == expected && hasMore(slot)) {
            if (abort == 0) {
                goOn(slot);
            } else {
                finish(slot, abort);
            }
        } else if (abort != 0 && (result == -ECANCELED || result == -EINTR)) {
            finish(slot, abort);
        } else {
            finish(slot, IoRules.storage(result, expected, slots.writes[slot]));
        }
    }

    /** A step of the long command is done. */
    private void completeLong(int slot, int result) {
        longIo.complete(result);
        int abort = slots.abortStatus[slot];
        boolean ends = abort != 0 && (result == -ECANCELED || result == -EINTR || !longIo.isOver());
        if (ends || !longIo.next(slot)) {
            longIo.end();
            int status = ends ? abort : longIo.status();
            if (status == SUCCESSFUL_COMPLETION) {
                tally.doneLong(slots.opcode[slot], longIo.storageBytes());
            }
            finish(slot, status);
        } else {
            slots.blocks[slot] = longIo.blocks();
        }
    }

    private MappingSet memory() {
        DmaWindow seen = window;
        return seen == null ? MappingSet.EMPTY : seen.mappings();
    }

    private boolean hasMore(int slot) {
        return slots.rangesLeft[slot] > 0 || slots.flushes[slot];
    }

    /** After a step that worked: starts the next. */
    private void goOn(int slot) {
        if (slots.rangesLeft[slot] > 0) {
            start.nextRange(slot);
        } else {
            slots.flushes[slot] = false;
            slots.expected[slot] = 0;
            slots.writes[slot] = true;
            blocks(slot).flush(slot);
        }
    }

    private BlockQueue blocks(int slot) {
        return Objects.requireNonNull(slots.blocks[slot]);
    }

    /** Answers the command at hand, which was not started. */
    private void answer(SubmissionQueue queue, int status) {
        if (status == SUCCESSFUL_COMPLETION) {
            tally.done(command.opcode, 0);
        }
        report(queue.id, command.cid, status, command.nsid, command.slba());
        IoTally.answered(queue.statistics, command.opcode, command.slba(), status, 0, 0);
        post(queue, command.cid, status);
        completed++;
    }

    private void finish(int slot, int status) {
        completed++;
        markDirty(slot);
        SubmissionQueue queue = Objects.requireNonNull(slots.queue[slot]);
        if (status == SUCCESSFUL_COMPLETION) {
            tally.done(slots.opcode[slot], slots.bytes[slot]);
        } else {
            report(queue.id, slots.cid[slot], status, slots.nsid[slot], slots.slba[slot]);
        }
        post(queue, slots.cid[slot], status);
        run.add(queue.statistics, slots.opcode[slot], status, slots.startNs[slot], slots.slba[slot], slots.bytes[slot]);
        if (draining) {
            // A wait for everything looks more than once.
            run.end();
        }
        if (slots.abortStatus[slot] != 0) {
            answerAbort(slot, status);
        }
        slots.give(slot, queue);
    }

    private void post(SubmissionQueue queue, int cid, int status) {
        queue.inFlight--;
        queue.pass();
        queue.completions.post(0, queue.id, queue.head, cid, status);
    }

    private void answerAbort(int slot, int status) {
        int by = slots.abortedBy[slot];
        slots.abortStatus[slot] = 0;
        slots.abortedBy[slot] = Aborts.NOBODY;
        if (by != Aborts.NOBODY) {
            lane.aborts.answer(by, status == COMMAND_ABORT_REQUESTED);
        }
    }

    private void report(int sqid, int cid, int status, int nsid, long slba) {
        if (status != SUCCESSFUL_COMPLETION) {
            controller.failed(lane, sqid, cid, status, nsid, slba);
        }
    }

    /** What the storage has written for a slot, also when it failed in the middle. */
    private void markDirty(int slot) {
        DmaWindow written = Objects.requireNonNull(window);
        long iovec = slots.memory(slot);
        long iova = slots.iovas(slot);
        for (int i = 0; i < slots.writtenPieces[slot]; i++) {
            long length = RawMemory.getLong(iovec + (long) IoSlots.IOVEC_SIZE * i + Long.BYTES);
            written.markDirty(RawMemory.getLong(iova + (long) Long.BYTES * i), length);
        }
    }
}
