package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;

import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * One I/O command carried out from beginning to end, by way of a bounce buffer: for memory that is not mapped, for SGLs of very many
 * pieces, and for Compare, Verify and Copy, which are too rare to be fast. Belongs to the queue thread; nothing else is in flight.
 */
final class SlowIo implements BlockCompletion, AutoCloseable {

    /** A page for lists and an iovec; the driver's data; data of the storage to compare these with. */
    private static final int IOVEC_AT = 4096;

    private static final int DATA_AT = 8192;
    private static final int OTHER_AT = DATA_AT + NvmeLimits.MAX_TRANSFER_BYTES;
    private static final int BOUNCE_BYTES = OTHER_AT + NvmeLimits.MAX_TRANSFER_BYTES;

    private static final int TAG = 0;

    private final Lane lane;
    private final Controller controller;
    private final IoRules rules;
    private final Storage storage;
    private @Nullable Mapping bounce;
    private @Nullable DataPointer pointer;
    private int result;
    private int movedBytes;

    SlowIo(Lane lane, Storage storage) {
        this.lane = lane;
        controller = lane.controller();
        rules = controller.rules();
        this.storage = storage;
    }

    /** @return the command's status, or {@link DataPointer#CUT_SHORT} */
    int run(IoCommand command, DmaWindow window) {
        movedBytes = 0;
        int refusal = IoRules.form(command);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        if (command.opcode == FLUSH && command.nsid == NSID_BROADCAST) {
            return flushAll();
        }
        Namespace namespace = rules.namespace(command.nsid);
        if (namespace == null) {
            return rules.whyNoNamespace(command.nsid);
        }
        if (namespace.notReady() != SUCCESSFUL_COMPLETION) {
            return namespace.notReady();
        }
        int status = switch (command.opcode) {
            case READ -> read(command, namespace, window);
            case WRITE -> write(command, namespace, window);
            case FLUSH -> flush(namespace);
            case WRITE_ZEROES -> writeZeroes(command, namespace);
            case DATASET_MANAGEMENT -> manageDataset(command, namespace, window);
            case COMPARE -> compare(command, namespace, window);
            case VERIFY -> verify(command, namespace);
            default -> copy(command, namespace, window);
        };
        if (status == SUCCESSFUL_COMPLETION) {
            boolean moves = command.opcode == READ || command.opcode == WRITE;
            movedBytes = moves ? bytes(command, namespace) : 0;
            lane.tally.done(command.opcode, movedBytes);
        }
        return status;
    }

    /** Bytes between the driver and the storage that the last command has moved. */
    int movedBytes() {
        return movedBytes;
    }

    @Override
    public void complete(int tag, int result) {
        this.result = result;
    }

    @Override
    public void close() {
        Mapping mapping = bounce;
        bounce = null;
        pointer = null;
        if (mapping != null) {
            mapping.close();
        }
    }

    private int read(IoCommand command, Namespace namespace, DmaWindow window) {
        int status = IoRules.transfer(namespace, command);
        int bytes = bytes(command, namespace);
        if (status == SUCCESSFUL_COMPLETION) {
            status = find(command, bytes, window);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = load(namespace, command.slba(), data(), bytes);
        }
        return status == SUCCESSFUL_COMPLETION ? toDriver(window) : status;
    }

    private int write(IoCommand command, Namespace namespace, DmaWindow window) {
        int status = IoRules.transfer(namespace, command);
        int bytes = bytes(command, namespace);
        if (status == SUCCESSFUL_COMPLETION) {
            status = IoRules.writing(namespace);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = fromDriver(command, bytes, window);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = store(namespace, command.slba(), data(), bytes);
        }
        return status == SUCCESSFUL_COMPLETION ? makeStable(command, namespace) : status;
    }

    private int flushAll() {
        int status = SUCCESSFUL_COMPLETION;
        Namespaces all = controller.handler().namespaces();
        for (int nsid = 1; nsid <= all.count() && status == SUCCESSFUL_COMPLETION; nsid++) {
            Namespace namespace = all.active(nsid);
            if (namespace != null) {
                status = flush(namespace);
            }
        }
        if (status == SUCCESSFUL_COMPLETION) {
            lane.tally.done(FLUSH, 0);
        }
        return status;
    }

    private int flush(Namespace namespace) {
        blocks(namespace).flush(TAG);
        return IoRules.storage(await(), 0, true);
    }

    private int writeZeroes(IoCommand command, Namespace namespace) {
        int status = IoRules.range(namespace, command.slba(), command.blocks());
        if (status == SUCCESSFUL_COMPLETION) {
            status = IoRules.writing(namespace);
        }
        if (status != SUCCESSFUL_COMPLETION) {
            return status;
        }
        long length = (long) command.blocks() << namespace.lbaShift();
        boolean mayUnmap = (command.cdw12 & CDW12_DEAC) != 0;
        blocks(namespace).writeZeroes(at(namespace, command.slba()), length, mayUnmap, TAG);
        status = IoRules.storage(await(), 0, true);
        return status == SUCCESSFUL_COMPLETION ? makeStable(command, namespace) : status;
    }

    private int manageDataset(IoCommand command, Namespace namespace, DmaWindow window) {
        int status = IoRules.writing(namespace);
        int count = (command.cdw10 & DSM_NR_MASK) + 1;
        if (status == SUCCESSFUL_COMPLETION) {
            status = fromDriver(command, count * DSM_RANGE_SIZE, window);
        }
        for (int i = 0; i < count && status == SUCCESSFUL_COMPLETION; i++) {
            status = IoRules.dsmRange(namespace, data() + (long) i * DSM_RANGE_SIZE);
        }
        if ((command.cdw11 & DSM_AD) == 0) {
            return status;
        }
        for (int i = 0; i < count && status == SUCCESSFUL_COMPLETION; i++) {
            long range = data() + (long) i * DSM_RANGE_SIZE;
            long length = DsmRange.blocks(range) << namespace.lbaShift();
            blocks(namespace).discard(at(namespace, DsmRange.slba(range)), length, TAG);
            status = IoRules.storage(await(), 0, true);
        }
        return status == SUCCESSFUL_COMPLETION && controller.isWriteThrough() ? flush(namespace) : status;
    }

    private int compare(IoCommand command, Namespace namespace, DmaWindow window) {
        int status = IoRules.transfer(namespace, command);
        int bytes = bytes(command, namespace);
        if (status == SUCCESSFUL_COMPLETION) {
            status = fromDriver(command, bytes, window);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = load(namespace, command.slba(), other(), bytes);
        }
        if (status != SUCCESSFUL_COMPLETION) {
            return status;
        }
        boolean same = RawMemory.segment(data(), bytes).mismatch(RawMemory.segment(other(), bytes)) < 0;
        return same ? SUCCESSFUL_COMPLETION : COMPARE_FAILURE | DNR;
    }

    private int verify(IoCommand command, Namespace namespace) {
        int status = IoRules.range(namespace, command.slba(), command.blocks());
        int most = NvmeLimits.MAX_TRANSFER_BYTES >>> namespace.lbaShift();
        for (int done = 0; done < command.blocks() && status == SUCCESSFUL_COMPLETION; done += most) {
            int now = Math.min(most, command.blocks() - done);
            status = load(namespace, command.slba() + done, other(), now << namespace.lbaShift());
        }
        return status;
    }

    /** 3.2.2, with source ranges of format 0h. */
    private int copy(IoCommand command, Namespace namespace, DmaWindow window) {
        int status = IoRules.writing(namespace);
        int count = (command.cdw12 & COPY_NR_MASK) + 1;
        if (status == SUCCESSFUL_COMPLETION && ((command.cdw12 >>> COPY_FORMAT_SHIFT) & COPY_FORMAT_MASK) != 0) {
            status = INVALID_FIELD_IN_COMMAND | DNR;
        }
        if (status == SUCCESSFUL_COMPLETION && count > NvmeLimits.MAX_COPY_RANGES) {
            status = COMMAND_SIZE_LIMIT_EXCEEDED | DNR;
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = fromDriver(command, count * COPY_RANGE_SIZE, window);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = checkCopy(namespace, command.slba(), count);
        }
        long to = command.slba();
        for (int i = 0; i < count && status == SUCCESSFUL_COMPLETION; i++) {
            status = copyRange(namespace, copySlba(i), copyBlocks(i), to);
            to += copyBlocks(i);
        }
        return status == SUCCESSFUL_COMPLETION ? makeStable(command, namespace) : status;
    }

    private int checkCopy(Namespace namespace, long destination, int count) {
        int all = 0;
        for (int i = 0; i < count; i++) {
            if (copyBlocks(i) > NvmeLimits.MAX_COPY_RANGE_BLOCKS) {
                return COMMAND_SIZE_LIMIT_EXCEEDED | DNR;
            }
            int status = IoRules.range(namespace, copySlba(i), copyBlocks(i));
            if (status != SUCCESSFUL_COMPLETION) {
                return status;
            }
            all += copyBlocks(i);
        }
        return all > NvmeLimits.MAX_COPY_BLOCKS
                ? COMMAND_SIZE_LIMIT_EXCEEDED | DNR
                : IoRules.range(namespace, destination, all);
    }

    private int copyRange(Namespace namespace, long from, int blocks, long to) {
        int most = NvmeLimits.MAX_TRANSFER_BYTES >>> namespace.lbaShift();
        int status = SUCCESSFUL_COMPLETION;
        for (int done = 0; done < blocks && status == SUCCESSFUL_COMPLETION; done += most) {
            int bytes = Math.min(most, blocks - done) << namespace.lbaShift();
            status = load(namespace, from + done, other(), bytes);
            if (status == SUCCESSFUL_COMPLETION) {
                status = store(namespace, to + done, other(), bytes);
            }
        }
        return status;
    }

    private long copySlba(int range) {
        return RawMemory.getLong(data() + (long) range * COPY_RANGE_SIZE + COPY_RANGE_SLBA);
    }

    private int copyBlocks(int range) {
        return (RawMemory.getShort(data() + (long) range * COPY_RANGE_SIZE + COPY_RANGE_NLB) & 0xffff) + 1;
    }

    /** After writing: FUA and a cache that is off want it stable. */
    private int makeStable(IoCommand command, Namespace namespace) {
        // Of Copy the bit has the same place.
        boolean wanted = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        return wanted ? flush(namespace) : SUCCESSFUL_COMPLETION;
    }

    private int load(Namespace namespace, long slba, long to, int bytes) {
        blocks(namespace).readv(at(namespace, slba), iovec(to, bytes), 1, TAG);
        return IoRules.storage(await(), bytes, false);
    }

    private int store(Namespace namespace, long slba, long from, int bytes) {
        blocks(namespace).writev(at(namespace, slba), iovec(from, bytes), 1, TAG);
        return IoRules.storage(await(), bytes, true);
    }

    /** Finds the command's data and copies them from the driver. */
    private int fromDriver(IoCommand command, int bytes, DmaWindow window) {
        int status = find(command, bytes, window);
        DataPieces pieces = pointer().pieces();
        long to = data();
        for (int i = 0; i < pieces.count() && status == SUCCESSFUL_COMPLETION; i++) {
            status = DataPointer.statusOf(window.read(pieces.iova(i), to, pieces.length(i)));
            to += pieces.length(i);
        }
        return status;
    }

    /** Copies the data that were found to the driver. */
    private int toDriver(DmaWindow window) {
        DataPieces pieces = pointer().pieces();
        int status = SUCCESSFUL_COMPLETION;
        long from = data();
        for (int i = 0; i < pieces.count() && status == SUCCESSFUL_COMPLETION; i++) {
            status = DataPointer.statusOf(window.write(pieces.iova(i), from, pieces.length(i)));
            from += pieces.length(i);
        }
        return status;
    }

    private int find(IoCommand command, int bytes, DmaWindow window) {
        int pageBytes = controller.pageBytes();
        return pointer().find(command.psdt, command.dptr0, command.dptr1, bytes, pageBytes, window, true);
    }

    private int await() {
        storage.awaitAll(this);
        return result;
    }

    private BlockQueue blocks(Namespace namespace) {
        return storage.queue(namespace.backend());
    }

    private static long at(Namespace namespace, long slba) {
        return namespace.offset() + (slba << namespace.lbaShift());
    }

    private static int bytes(IoCommand command, Namespace namespace) {
        return command.blocks() << namespace.lbaShift();
    }

    private long iovec(long address, int bytes) {
        long at = bounce().address() + IOVEC_AT;
        RawMemory.putLong(at, address);
        RawMemory.putLong(at + Long.BYTES, bytes);
        return at;
    }

    private long data() {
        return bounce().address() + DATA_AT;
    }

    private long other() {
        return bounce().address() + OTHER_AT;
    }

    private DataPointer pointer() {
        DataPointer made = pointer;
        if (made == null) {
            made = new DataPointer(bounce().address());
            pointer = made;
        }
        return made;
    }

    private Mapping bounce() {
        Mapping mapping = bounce;
        if (mapping == null) {
            mapping = Mapping.anonymous(BOUNCE_BYTES);
            bounce = mapping;
        }
        return mapping;
    }
}
