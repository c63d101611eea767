package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;

import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaWindow;

/**
 * One I/O command carried out from beginning to end, by way of a bounce buffer: for memory that is not mapped, and for SGLs of very many
 * pieces. Belongs to the queue thread; nothing else is in flight.
 */
final class SlowIo implements BlockCompletion, AutoCloseable {

    private static final int TAG = 0;

    private final Lane lane;
    private final Controller controller;
    private final IoRules rules;
    private final Storage storage;
    private final LongIo longIo;
    private final Bounce bounce = new Bounce();
    private int result;
    private int movedBytes;
    private long chargedBytes;

    /** @param longIo of no other command meanwhile */
    SlowIo(Lane lane, Storage storage, LongIo longIo) {
        this.lane = lane;
        this.longIo = longIo;
        controller = lane.controller();
        rules = controller.rules();
        this.storage = storage;
    }

    /** @return the command's status, or {@link DataPointer#CUT_SHORT} */
    int run(IoCommand command, DmaWindow window) {
        movedBytes = 0;
        chargedBytes = 0;
        int refusal = IoRules.form(command);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        if (command.opcode == FLUSH && command.nsid == NSID_BROADCAST) {
            int status = runLong(command, null, window);
            if (status == SUCCESSFUL_COMPLETION) {
                lane.tally.done(FLUSH, 0);
            }
            return status;
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
            default -> runLong(command, namespace, window);
        };
        if (status == SUCCESSFUL_COMPLETION) {
            boolean moves = command.opcode == READ || command.opcode == WRITE;
            movedBytes = moves ? bytes(command, namespace) : 0;
            chargedBytes += movedBytes;
            lane.tally.done(command.opcode, movedBytes);
        }
        return status;
    }

    /** Bytes between the driver and the storage that the last command has moved. */
    int movedBytes() {
        return movedBytes;
    }

    /** What it costs of a limit on bytes. */
    long chargedBytes() {
        return chargedBytes;
    }

    @Override
    public void complete(int tag, int result) {
        this.result = result;
    }

    @Override
    public void close() {
        bounce.close();
    }

    private int read(IoCommand command, Namespace namespace, DmaWindow window) {
        int status = IoRules.transfer(namespace, command);
        int bytes = bytes(command, namespace);
        if (status == SUCCESSFUL_COMPLETION) {
            status = bounce.find(command, bytes, controller.pageBytes(), window, true);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = load(namespace, command.slba(), bytes);
        }
        if (status == SUCCESSFUL_COMPLETION && (command.cdw12 & CDW12_FUA) != 0) {
            status = flush(namespace);
        }
        return status == SUCCESSFUL_COMPLETION ? bounce.toDriver(window) : status;
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
            status = store(namespace, command.slba(), bytes);
        }
        return status == SUCCESSFUL_COMPLETION ? makeStable(command, namespace) : status;
    }

    private int runLong(IoCommand command, @Nullable Namespace namespace, DmaWindow window) {
        int refusal = longIo.begin(command, namespace, window, true);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        chargedBytes = longIo.storageBytes();
        while (longIo.next(TAG)) {
            longIo.complete(await());
        }
        if (longIo.status() == SUCCESSFUL_COMPLETION) {
            lane.tally.doneLong(command.opcode, chargedBytes);
        }
        return longIo.status();
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
            status = IoRules.dsmRange(namespace, bounce.data() + (long) i * DSM_RANGE_SIZE);
        }
        if ((command.cdw11 & DSM_AD) == 0) {
            return status;
        }
        for (int i = 0; i < count && status == SUCCESSFUL_COMPLETION; i++) {
            long range = bounce.data() + (long) i * DSM_RANGE_SIZE;
            long length = DsmRange.blocks(range) << namespace.lbaShift();
            blocks(namespace).discard(at(namespace, DsmRange.slba(range)), length, TAG);
            status = IoRules.storage(await(), 0, true);
        }
        return status == SUCCESSFUL_COMPLETION && controller.isWriteThrough() ? flush(namespace) : status;
    }

    /** After writing: FUA and a cache that is off want it stable. */
    private int makeStable(IoCommand command, Namespace namespace) {
        boolean wanted = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        return wanted ? flush(namespace) : SUCCESSFUL_COMPLETION;
    }

    private int load(Namespace namespace, long slba, int bytes) {
        blocks(namespace).readv(at(namespace, slba), bounce.iovec(bounce.data(), bytes), 1, TAG);
        return IoRules.storage(await(), bytes, false);
    }

    private int store(Namespace namespace, long slba, int bytes) {
        blocks(namespace).writev(at(namespace, slba), bounce.iovec(bounce.data(), bytes), 1, TAG);
        return IoRules.storage(await(), bytes, true);
    }

    private int fromDriver(IoCommand command, int bytes, DmaWindow window) {
        return bounce.fromDriver(command, bytes, controller.pageBytes(), window, true);
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
}
