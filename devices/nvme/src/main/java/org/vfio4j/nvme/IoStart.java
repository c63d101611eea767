package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * Checks I/O commands (NVM Command Set 1.0, 3.2), finds their data in the driver's memory, and makes requests to the storage of them.
 * Belongs to the queue thread; nothing allocates.
 */
final class IoStart implements AutoCloseable {

    /** The storage has it, or its first step. */
    static final int STARTED = SUCCESSFUL_COMPLETION;

    /** Not a status: it is done without the storage. */
    static final int NOTHING_TO_DO = -4;

    private static final int SCRATCH_BYTES = 4096;

    private final Controller controller;
    private final IoRules rules;
    private final IoCommand command;
    private final IoSlots slots;
    private final Storage storage;
    private final LongIo longIo;
    private final Mapping scratch = Mapping.anonymous(SCRATCH_BYTES);
    private final DataPointer data = new DataPointer(scratch.address());

    // By NSID, for the namespace that was asked for last.
    private final @Nullable Namespace[] known = new @Nullable Namespace[NvmeLimits.MAX_NAMESPACES + 1];
    private final @Nullable BlockQueue[] queueOf = new @Nullable BlockQueue[NvmeLimits.MAX_NAMESPACES + 1];

    // Of the command at hand.
    private long seenNs;
    private long chargedBytes;

    /** @param command where the command at hand is */
    IoStart(Controller controller, IoCommand command, IoSlots slots, Storage storage, LongIo longIo) {
        this.controller = controller;
        rules = controller.rules();
        this.command = command;
        this.slots = slots;
        this.storage = storage;
        this.longIo = longIo;
    }

    /**
     * Starts the command at hand, which was taken from {@code queue}.
     *
     * @param seenNs when it was seen
     * @return {@link #STARTED}; {@link #NOTHING_TO_DO}; the status with which it is refused; or {@link DataPointer#UNREACHABLE} when it
     *     must be served slowly, and nothing has happened
     */
    int start(SubmissionQueue queue, DmaWindow window, long seenNs) {
        this.seenNs = seenNs;
        chargedBytes = 0;
        int refusal = IoRules.form(command);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        Namespace namespace = rules.namespace(command.nsid);
        if (namespace == null) {
            return command.opcode == FLUSH && command.nsid == NSID_BROADCAST
                    ? startLong(queue, null, window)
                    : rules.whyNoNamespace(command.nsid);
        }
        if (namespace.notReady() != SUCCESSFUL_COMPLETION) {
            return namespace.notReady();
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

    /** What the command at hand costs of a limit on bytes. */
    long chargedBytes() {
        return chargedBytes;
    }

    /** Starts the next range of Dataset Management. */
    void nextRange(int slot) {
        long range = slots.memory(slot) + (long) DSM_RANGE_SIZE * slots.rangesDone[slot]++;
        slots.rangesLeft[slot]--;
        Namespace namespace = Objects.requireNonNull(slots.namespace[slot]);
        long length = DsmRange.blocks(range) << namespace.lbaShift();
        blocks(slot).discard(at(namespace, DsmRange.slba(range)), length, slot);
    }

    /** Namespaces may have other storage than before. */
    void forget() {
        Arrays.fill(known, null);
        Arrays.fill(queueOf, null);
    }

    @Override
    public void close() {
        scratch.close();
    }

    private int startLong(SubmissionQueue queue, @Nullable Namespace namespace, DmaWindow window) {
        int refusal = longIo.begin(command, namespace, window, false);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        if (longIo.isOver()) {
            return NOTHING_TO_DO;
        }
        int slot = take(queue, 0);
        chargedBytes = longIo.storageBytes();
        longIo.start(slot);
        slots.blocks[slot] = longIo.blocks();
        return STARTED;
    }

    private int read(SubmissionQueue queue, Namespace namespace, DmaWindow window) {
        int refusal = IoRules.transfer(namespace, command);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        int bytes = command.blocks() << namespace.lbaShift();
        int found = find(bytes, window);
        if (found != SUCCESSFUL_COMPLETION) {
            return found;
        }
        int slot = take(queue, namespace, bytes);
        int pieces = translate(slot, DmaSpace.WRITE, window);
        if (pieces == 0) {
            giveBack(slot, queue);
            return DataPointer.UNREACHABLE;
        }
        slots.writtenPieces[slot] = pieces;
        slots.expected[slot] = bytes;
        // What it has read is to be stable, too: as good afterwards, since nobody has been told before.
        slots.flushes[slot] = (command.cdw12 & CDW12_FUA) != 0;
        blocks(slot).readv(at(namespace, command.slba()), slots.memory(slot), pieces, slot);
        return STARTED;
    }

    private int write(SubmissionQueue queue, Namespace namespace, DmaWindow window) {
        int refusal = IoRules.transfer(namespace, command);
        if (refusal == SUCCESSFUL_COMPLETION) {
            refusal = IoRules.writing(namespace);
        }
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        int bytes = command.blocks() << namespace.lbaShift();
        int found = find(bytes, window);
        if (found != SUCCESSFUL_COMPLETION) {
            return found;
        }
        int slot = take(queue, namespace, bytes);
        int pieces = translate(slot, DmaSpace.READ, window);
        if (pieces == 0) {
            giveBack(slot, queue);
            return DataPointer.UNREACHABLE;
        }
        slots.expected[slot] = bytes;
        slots.flushes[slot] = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        blocks(slot).writev(at(namespace, command.slba()), slots.memory(slot), pieces, slot);
        return STARTED;
    }

    private int flush(SubmissionQueue queue, Namespace namespace) {
        int slot = take(queue, namespace, 0);
        blocks(slot).flush(slot);
        return STARTED;
    }

    private int writeZeroes(SubmissionQueue queue, Namespace namespace) {
        int refusal = IoRules.range(namespace, command.slba(), command.blocks());
        if (refusal == SUCCESSFUL_COMPLETION) {
            refusal = IoRules.writing(namespace);
        }
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        int slot = take(queue, namespace, 0);
        slots.flushes[slot] = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        long length = (long) command.blocks() << namespace.lbaShift();
        boolean mayUnmap = (command.cdw12 & CDW12_DEAC) != 0;
        blocks(slot).writeZeroes(at(namespace, command.slba()), length, mayUnmap, slot);
        return STARTED;
    }

    /** Copies the ranges into the slot, where the driver cannot change them, and starts the first. */
    private int manageDataset(SubmissionQueue queue, Namespace namespace, DmaWindow window) {
        int refusal = IoRules.writing(namespace);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        int count = (command.cdw10 & DSM_NR_MASK) + 1;
        int found = find(count * DSM_RANGE_SIZE, window);
        if (found != SUCCESSFUL_COMPLETION) {
            return found;
        }
        int slot = take(queue, namespace, 0);
        if (!copyRanges(slot, window)) {
            giveBack(slot, queue);
            return DataPointer.UNREACHABLE;
        }
        for (int i = 0; i < count; i++) {
            int wrong = IoRules.dsmRange(namespace, slots.memory(slot) + (long) i * DSM_RANGE_SIZE);
            if (wrong != SUCCESSFUL_COMPLETION) {
                giveBack(slot, queue);
                return wrong;
            }
        }
        if ((command.cdw11 & DSM_AD) == 0) {
            // The other attributes are hints that this controller does not take.
            giveBack(slot, queue);
            return NOTHING_TO_DO;
        }
        slots.flushes[slot] = controller.isWriteThrough();
        slots.rangesLeft[slot] = count;
        nextRange(slot);
        return STARTED;
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
        slots.writes[slot] = command.opcode != READ;
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

    private void giveBack(int slot, SubmissionQueue queue) {
        // As if the command were not counted, which is put back or answered next.
        queue.inFlight--;
        slots.give(slot, queue);
        queue.inFlight++;
    }

    private BlockQueue blocks(int slot) {
        return Objects.requireNonNull(slots.blocks[slot]);
    }

    private static long at(Namespace namespace, long slba) {
        return namespace.offset() + (slba << namespace.lbaShift());
    }
}
