package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/**
 * Compare, Verify, Copy, and Flush of all namespaces (NVM Command Set 1.0, 3.2): commands of several steps of the storage, which are too
 * rare to have more than one under way. What such a command needs of the driver's memory is copied before its first step, so that
 * storage that stands still has nothing of the driver's. Belongs to the queue thread.
 */
final class LongIo implements AutoCloseable {

    private final Controller controller;
    private final Storage storage;
    private final Bounce bounce = new Bounce();

    /** Of the command under way, or {@link IoSlots#NONE}. */
    private int slot = IoSlots.NONE;

    private int opcode;
    private @Nullable Namespace namespace;
    private @Nullable BlockQueue blocks;
    private int status;

    /** Blocks of the range at hand, or namespaces, of which so many are done. */
    private int count;

    private int done;
    private long slba;

    // Of Copy: the source range at hand, where to, all its blocks, and those that were loaded and are to be stored.
    private int range;
    private int ranges;
    private long destination;
    private int copied;
    private int loaded;
    private boolean flushes;

    // Of the step under way.
    private int expected;
    private boolean writes;

    LongIo(Controller controller, Storage storage) {
        this.controller = controller;
        this.storage = storage;
    }

    static boolean isOne(IoCommand command) {
        return switch (command.opcode) {
            case COMPARE, VERIFY, COPY -> true;
            default -> command.opcode == FLUSH && command.nsid == NSID_BROADCAST;
        };
    }

    /**
     * Checks a command and copies what it needs.
     *
     * @param of its namespace; null for all
     * @param remote whether the driver's memory is reached by messages as well, for which the window may go offline
     * @return a status, {@link DataPointer#CUT_SHORT}, or {@link DataPointer#UNREACHABLE}: when not successful, nothing has happened
     */
    int begin(IoCommand command, @Nullable Namespace of, DmaWindow window, boolean remote) {
        opcode = command.opcode;
        namespace = of;
        blocks = of == null ? null : storage.queue(of.backend());
        status = SUCCESSFUL_COMPLETION;
        slba = command.slba();
        count = command.blocks();
        done = 0;
        loaded = 0;
        range = 0;
        ranges = 0;
        flushes = false;
        return switch (opcode) {
            case COMPARE -> beginCompare(command, window, remote);
            case VERIFY -> IoRules.range(namespace(), slba, count);
            case COPY -> beginCopy(command, window, remote);
            default -> {
                count = lastActive();
                yield SUCCESSFUL_COMPLETION;
            }
        };
    }

    /** What the command that has begun costs of a limit on bytes: what of the storage it reads and writes. */
    long storageBytes() {
        return switch (opcode) {
            case COMPARE, VERIFY -> (long) count << namespace().lbaShift();
            case COPY -> (2L * copied) << namespace().lbaShift();
            default -> 0;
        };
    }

    /** Starts the first step of a command that has one, whose slot is this. */
    void start(int of) {
        slot = of;
        next(of);
    }

    /** The slot of the command under way, or {@link IoSlots#NONE}. */
    int slot() {
        return slot;
    }

    /** It is not under way any more. */
    void end() {
        slot = IoSlots.NONE;
    }

    /** Whether there is no further step: {@link #status} says how it ended. */
    boolean isOver() {
        boolean ended = done == count && range + 1 >= ranges && loaded == 0 && !flushes;
        return status != SUCCESSFUL_COMPLETION || ended;
    }

    /**
     * Starts the next step of the storage.
     *
     * @return false when there is none
     */
    boolean next(int tag) {
        if (isOver()) {
            return false;
        }
        return switch (opcode) {
            case COMPARE, VERIFY -> load(tag);
            case COPY -> copy(tag);
            default -> flushNext(tag);
        };
    }

    /** The step that was started is done. */
    void complete(int result) {
        status = IoRules.storage(result, expected, writes);
        if (opcode == COMPARE && status == SUCCESSFUL_COMPLETION) {
            boolean same =
                    RawMemory.segment(bounce.data(), expected).mismatch(RawMemory.segment(bounce.other(), expected))
                            < 0;
            status = same ? SUCCESSFUL_COMPLETION : COMPARE_FAILURE | DNR;
        }
    }

    int status() {
        return status;
    }

    /** Where the step under way is. */
    BlockQueue blocks() {
        return Objects.requireNonNull(blocks);
    }

    @Override
    public void close() {
        bounce.close();
    }

    private int beginCompare(IoCommand command, DmaWindow window, boolean remote) {
        int refusal = IoRules.transfer(namespace(), command);
        return refusal == SUCCESSFUL_COMPLETION
                ? bounce.fromDriver(command, count << namespace().lbaShift(), controller.pageBytes(), window, remote)
                : refusal;
    }

    /** 3.2.2, with source ranges of format 0h. */
    private int beginCopy(IoCommand command, DmaWindow window, boolean remote) {
        int refusal = IoRules.writing(namespace());
        ranges = (command.cdw12 & COPY_NR_MASK) + 1;
        if (refusal == SUCCESSFUL_COMPLETION && ((command.cdw12 >>> COPY_FORMAT_SHIFT) & COPY_FORMAT_MASK) != 0) {
            refusal = INVALID_FIELD_IN_COMMAND | DNR;
        }
        if (refusal == SUCCESSFUL_COMPLETION && ranges > NvmeLimits.MAX_COPY_RANGES) {
            refusal = COMMAND_SIZE_LIMIT_EXCEEDED | DNR;
        }
        if (refusal == SUCCESSFUL_COMPLETION) {
            refusal = bounce.fromDriver(command, ranges * COPY_RANGE_SIZE, controller.pageBytes(), window, remote);
        }
        if (refusal == SUCCESSFUL_COMPLETION) {
            refusal = checkCopy();
        }
        destination = slba;
        // The bit has the same place as that of Write.
        flushes = (command.cdw12 & CDW12_FUA) != 0 || controller.isWriteThrough();
        takeRange();
        return refusal;
    }

    private int checkCopy() {
        copied = 0;
        for (int i = 0; i < ranges; i++) {
            if (copyBlocks(i) > NvmeLimits.MAX_COPY_RANGE_BLOCKS) {
                return COMMAND_SIZE_LIMIT_EXCEEDED | DNR;
            }
            int refusal = IoRules.range(namespace(), copySlba(i), copyBlocks(i));
            if (refusal != SUCCESSFUL_COMPLETION) {
                return refusal;
            }
            copied += copyBlocks(i);
        }
        return copied > NvmeLimits.MAX_COPY_BLOCKS
                ? COMMAND_SIZE_LIMIT_EXCEEDED | DNR
                : IoRules.range(namespace(), slba, copied);
    }

    private boolean load(int tag) {
        int now = Math.min(
                count - done, NvmeLimits.MAX_TRANSFER_BYTES >>> namespace().lbaShift());
        move(false, slba + done, now, tag);
        done += now;
        return true;
    }

    private boolean copy(int tag) {
        if (loaded > 0) {
            move(true, destination, loaded, tag);
            destination += loaded;
            loaded = 0;
        } else if (done < count || range + 1 < ranges) {
            if (done == count) {
                range++;
                takeRange();
            }
            int before = done;
            load(tag);
            loaded = done - before;
        } else {
            flushes = false;
            flush(tag);
        }
        return true;
    }

    /** One namespace after the other; which are active may change meanwhile. */
    private boolean flushNext(int tag) {
        Namespaces all = controller.handler().namespaces();
        while (done < count) {
            Namespace next = all.active(++done);
            if (next != null) {
                blocks = storage.queue(next.backend());
                flush(tag);
                return true;
            }
        }
        return false;
    }

    private int lastActive() {
        Namespaces all = controller.handler().namespaces();
        int nsid = all.count();
        while (nsid > 0 && all.active(nsid) == null) {
            nsid--;
        }
        return nsid;
    }

    private void takeRange() {
        slba = copySlba(range);
        count = copyBlocks(range);
        done = 0;
    }

    private void move(boolean store, long from, int howMany, int tag) {
        Namespace of = namespace();
        long at = of.offset() + (from << of.lbaShift());
        expected = howMany << of.lbaShift();
        writes = store;
        long iovec = bounce.iovec(bounce.other(), expected);
        if (store) {
            blocks().writev(at, iovec, 1, tag);
        } else {
            blocks().readv(at, iovec, 1, tag);
        }
    }

    private void flush(int tag) {
        expected = 0;
        writes = true;
        blocks().flush(tag);
    }

    private long copySlba(int index) {
        return RawMemory.getLong(bounce.data() + (long) index * COPY_RANGE_SIZE + COPY_RANGE_SLBA);
    }

    private int copyBlocks(int index) {
        return (RawMemory.getShort(bounce.data() + (long) index * COPY_RANGE_SIZE + COPY_RANGE_NLB) & 0xffff) + 1;
    }

    private Namespace namespace() {
        return Objects.requireNonNull(namespace);
    }
}
