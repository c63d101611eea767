package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.EINTR;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.CommandRun;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
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

    private static final int SCRATCH_BYTES = 4096;

    private final Lane lane;
    private final Controller controller;
    private final IoRules rules;
    private final IoTally tally;
    private final DeviceLimits limits;
    private final Storage storage;
    private final IoSlots slots = new IoSlots(DEPTH);
    private final Mapping scratch = Mapping.anonymous(SCRATCH_BYTES);
    private final DataPointer data = new DataPointer(scratch.address());
    private final IoCommand command = new IoCommand();
    private final LongIo longIo;
    private final SlowIo slow;

    /** The slot of the command that {@link #longIo} is about, or {@link IoSlots#NONE}. */
    private int longSlot = IoSlots.NONE;

    // By NSID, for the namespace that was asked for last.
    private final @Nullable Namespace[] known = new @Nullable Namespace[NvmeLimits.MAX_NAMESPACES + 1];
    private final @Nullable BlockQueue[] queueOf = new @Nullable BlockQueue[NvmeLimits.MAX_NAMESPACES + 1];

    private int completed;

    private final CommandRun run = new CommandRun(IoCommandSet.NVM);

    // When the commands that are being taken were seen.
    private long seenNs;

    // When the queues were last looked at, or answered: 0 once a command has been started since, or the thread has
    // slept.
    private long lookedNs;
    private boolean draining;

    /** What the command at hand costs of a limit on bytes. */
    private int chargedBytes;

    // That of the commands in flight.
    private @Nullable DmaWindow window;

    IoEngine(Lane lane, Fd eventFd) {
        this.lane = lane;
        controller = lane.controller();
        rules = controller.rules();
        tally = lane.tally;
        limits = controller.limits();
        storage = new Storage(DEPTH, eventFd);
        longIo = new LongIo(controller, storage);
        slow = new SlowIo(lane, storage, longIo);
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
        seenNs = lookedNs == 0 ? System.nanoTime() : lookedNs;
        lookedNs = 0;
        while (taken < limit && (!limited || limits.waitNs() == 0)) {
            queue.pass();
            command.load(queue.headAddress());
            if (longSlot != IoSlots.NONE && LongIo.isOne(command)) {
                break;
            }
            queue.take();
            chargedBytes = 0;
            if (!start(queue, window)) {
                queue.putBack();
                queue.slowly = true;
                break;
            }
            taken++;
            if (limited) {
                limits.charge(chargedBytes);
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
        long startNs = System.nanoTime();
        command.load(entry);
        int status = slow.run(command, window);
        if (status != DataPointer.CUT_SHORT) {
            tally.slow++;
            report(queue.id, command.cid, status, command.nsid, command.slba());
            int bytes = slow.movedBytes();
            limits.charge(bytes);
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

    /** Nothing may stand on {@code backend} any more. */
    void release(BlockBackend backend) {
        Arrays.fill(known, null);
        Arrays.fill(queueOf, null);
        storage.release(backend);
    }

    @Override
    public void close() {
        storage.close();
        slots.close();
        slow.close();
        longIo.close();
        scratch.close();
    }

    /** The storage is done with a slot's command, or with one step of it. */
    @Override
    public void complete(int slot, int result) {
        if (slot == longSlot) {
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
            finish(slot, IoRules.storage(result, expected, slots.opcode[slot] != READ));
        }
    }

    /** Starts the command at hand, or refuses it. Returns false when it must be served slowly. */
    private boolean start(SubmissionQueue queue, DmaWindow window) {
        int refusal = IoRules.form(command);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refuse(queue, refusal);
        }
        Namespace namespace = rules.namespace(command.nsid);
        if (namespace == null) {
            return command.opcode == FLUSH && command.nsid == NSID_BROADCAST
                    ? startLong(queue, null, window)
                    : refuse(queue, rules.whyNoNamespace(command.nsid));
        }
        if (namespace.notReady() != SUCCESSFUL_COMPLETION) {
            return refuse(queue, namespace.notReady());
        }
        return switch (command.opcode) {
            case READ -> read(queue, namespace, window);
            case WRITE -> write(queue, namespace, window);
            case FLUSH -> flush(queue, namespace);
            case WRITE_ZEROES -> writeZeroes(queue, namespace);
            case DATASET_MANAGEMENT -> manageDataset(queue, namespace, window);
            default -> startLong(queue, namespace, window);
        };
    }

    private boolean startLong(SubmissionQueue queue, @Nullable Namespace namespace, DmaWindow window) {
        int refusal = longIo.begin(command, namespace, window, false);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal != DataPointer.UNREACHABLE && refuse(queue, refusal);
        }
        longSlot = take(queue, 0);
        goOnLong(longSlot, SUCCESSFUL_COMPLETION);
        return true;
    }

    /** A step of the long command is done. */
    private void completeLong(int slot, int result) {
        longIo.complete(result);
        int abort = slots.abortStatus[slot];
        boolean ends = abort != 0 && (result == -ECANCELED || result == -EINTR || !longIo.isOver());
        goOnLong(slot, ends ? abort : longIo.status());
    }

    private void goOnLong(int slot, int status) {
        if (status == SUCCESSFUL_COMPLETION && longIo.next(slot)) {
            slots.blocks[slot] = longIo.blocks();
        } else {
            longSlot = IoSlots.NONE;
            finish(slot, status);
        }
    }

    private boolean read(SubmissionQueue queue, Namespace namespace, DmaWindow window) {
        int refusal = IoRules.transfer(namespace, command);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refuse(queue, refusal);
        }
        int bytes = command.blocks() << namespace.lbaShift();
        int found = find(bytes, window);
        if (found != SUCCESSFUL_COMPLETION) {
            return found != DataPointer.UNREACHABLE && refuse(queue, found);
        }
        int slot = take(queue, namespace, bytes);
        int pieces = translate(slot, DmaSpace.WRITE, window);
        if (pieces == 0) {
            return giveBack(slot, queue);
        }
        slots.writtenPieces[slot] = pieces;
        slots.expected[slot] = bytes;
        blocks(slot).readv(at(namespace, command.slba()), slots.memory(slot), pieces, slot);
        return true;
    }

    private boolean write(SubmissionQueue queue, Namespace namespace, DmaWindow window) {
        int refusal = IoRules.transfer(namespace, command);
        if (refusal == SUCCESSFUL_COMPLETION) {
            refusal = IoRules.writing(namespace);
        }
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refuse(queue, refusal);
        }
        int bytes = command.blocks() << namespace.lbaShift();
        int found = find(bytes, window);
        if (found != SUCCESSFUL_COMPLETION) {
            return found != DataPointer.UNREACHABLE && refuse(queue, found);
        }
        int slot = take(queue, namespace, bytes);
        int pieces = translate(slot, DmaSpace.READ, window);
        if (pieces == 0) {
            return giveBack(slot, queue);
        }
        slots.expected[slot] = bytes;
        slots.flushes[slot] = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        blocks(slot).writev(at(namespace, command.slba()), slots.memory(slot), pieces, slot);
        return true;
    }

    private boolean flush(SubmissionQueue queue, Namespace namespace) {
        int slot = take(queue, namespace, 0);
        blocks(slot).flush(slot);
        return true;
    }

    private boolean writeZeroes(SubmissionQueue queue, Namespace namespace) {
        int refusal = IoRules.range(namespace, command.slba(), command.blocks());
        if (refusal == SUCCESSFUL_COMPLETION) {
            refusal = IoRules.writing(namespace);
        }
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refuse(queue, refusal);
        }
        int slot = take(queue, namespace, 0);
        slots.flushes[slot] = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        long length = (long) command.blocks() << namespace.lbaShift();
        boolean mayUnmap = (command.cdw12 & CDW12_DEAC) != 0;
        blocks(slot).writeZeroes(at(namespace, command.slba()), length, mayUnmap, slot);
        return true;
    }

    /** Copies the ranges into the slot, where the driver cannot change them, and starts the first. */
    private boolean manageDataset(SubmissionQueue queue, Namespace namespace, DmaWindow window) {
        int refusal = IoRules.writing(namespace);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refuse(queue, refusal);
        }
        int count = (command.cdw10 & DSM_NR_MASK) + 1;
        int found = find(count * DSM_RANGE_SIZE, window);
        if (found != SUCCESSFUL_COMPLETION) {
            return found != DataPointer.UNREACHABLE && refuse(queue, found);
        }
        int slot = take(queue, namespace, 0);
        if (!copyRanges(slot, window)) {
            return giveBack(slot, queue);
        }
        for (int i = 0; i < count; i++) {
            int wrong = IoRules.dsmRange(namespace, slots.memory(slot) + (long) i * DSM_RANGE_SIZE);
            if (wrong != SUCCESSFUL_COMPLETION) {
                finish(slot, wrong);
                return true;
            }
        }
        if ((command.cdw11 & DSM_AD) == 0) {
            // The other attributes are hints that this controller does not take.
            finish(slot, SUCCESSFUL_COMPLETION);
            return true;
        }
        slots.flushes[slot] = controller.isWriteThrough();
        slots.rangesLeft[slot] = count;
        nextRange(slot);
        return true;
    }

    private void nextRange(int slot) {
        long range = slots.memory(slot) + (long) DSM_RANGE_SIZE * slots.rangesDone[slot]++;
        slots.rangesLeft[slot]--;
        Namespace namespace = Objects.requireNonNull(slots.namespace[slot]);
        long length = DsmRange.blocks(range) << namespace.lbaShift();
        blocks(slot).discard(at(namespace, DsmRange.slba(range)), length, slot);
    }

    private boolean hasMore(int slot) {
        return slots.rangesLeft[slot] > 0 || slots.flushes[slot];
    }

    /** After a step that worked: starts the next. */
    private void goOn(int slot) {
        if (slots.rangesLeft[slot] > 0) {
            nextRange(slot);
        } else {
            slots.flushes[slot] = false;
            slots.expected[slot] = 0;
            blocks(slot).flush(slot);
        }
    }

    private int find(int bytes, DmaWindow window) {
        int pageBytes = controller.pageBytes();
        return data.find(command.psdt, command.dptr0, command.dptr1, bytes, pageBytes, window, false);
    }

    /** Makes iovecs of the pieces that were found. Returns how many, or 0 when some piece has no address or there are too many. */
    private int translate(int slot, int access, DmaWindow window) {
        DataPieces pieces = data.pieces();
        int count = pieces.count();
        if (count > IoSlots.MAX_PIECES) {
            return 0;
        }
        long at = slots.memory(slot);
        long iovas = slots.iovas(slot);
        for (int i = 0; i < count; i++) {
            long host = window.translate(pieces.iova(i), pieces.length(i), access);
            if (host <= 0) {
                return 0;
            }
            RawMemory.putLong(at, host);
            RawMemory.putLong(at + Long.BYTES, pieces.length(i));
            RawMemory.putLong(iovas, pieces.iova(i));
            at += IoSlots.IOVEC_SIZE;
            iovas += Long.BYTES;
        }
        return count;
    }

    private boolean copyRanges(int slot, DmaWindow window) {
        DataPieces pieces = data.pieces();
        long to = slots.memory(slot);
        for (int i = 0; i < pieces.count(); i++) {
            long host = window.translate(pieces.iova(i), pieces.length(i), DmaSpace.READ);
            if (host <= 0) {
                return false;
            }
            RawMemory.copy(host, to, pieces.length(i));
            to += pieces.length(i);
        }
        return true;
    }

    private int take(SubmissionQueue queue, Namespace namespace, int bytes) {
        int slot = take(queue, bytes);
        slots.namespace[slot] = namespace;
        slots.blocks[slot] = queueOf(command.nsid, namespace);
        return slot;
    }

    private int take(SubmissionQueue queue, int bytes) {
        int slot = slots.take(queue);
        slots.queue[slot] = queue;
        slots.cid[slot] = command.cid;
        slots.nsid[slot] = command.nsid;
        slots.startNs[slot] = seenNs;
        slots.opcode[slot] = command.opcode;
        slots.slba[slot] = command.slba();
        slots.bytes[slot] = bytes;
        chargedBytes = bytes;
        slots.expected[slot] = 0;
        slots.writtenPieces[slot] = 0;
        slots.flushes[slot] = false;
        slots.rangesLeft[slot] = 0;
        slots.rangesDone[slot] = 0;
        return slot;
    }

    private BlockQueue queueOf(int nsid, Namespace namespace) {
        BlockQueue queue = queueOf[nsid];
        if (queue == null || !namespace.equals(known[nsid])) {
            queue = storage.queue(namespace.backend());
            queueOf[nsid] = queue;
            known[nsid] = namespace;
        }
        return queue;
    }

    private BlockQueue blocks(int slot) {
        return Objects.requireNonNull(slots.blocks[slot]);
    }

    private boolean giveBack(int slot, SubmissionQueue queue) {
        // As if the command were not counted: it is put back next.
        queue.inFlight--;
        slots.give(slot, queue);
        queue.inFlight++;
        return false;
    }

    private boolean refuse(SubmissionQueue queue, int status) {
        report(queue.id, command.cid, status, command.nsid, command.slba());
        IoTally.answered(queue.statistics, command.opcode, command.slba(), status, 0, 0);
        post(queue, command.cid, status);
        completed++;
        return true;
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

    private static long at(Namespace namespace, long slba) {
        return namespace.offset() + (slba << namespace.lbaShift());
    }
}
