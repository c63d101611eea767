package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;

import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.CommandKind;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * Carries out admin commands: those about queues itself, the others through {@link AdminHandler}, with their data between there and the
 * driver's memory. Belongs to the first queue thread.
 */
final class AdminQueue implements AutoCloseable {

    private static final int ENTRY_AT = 4096;
    private static final int DATA_AT = 8192;

    private final Controller controller;
    private final Lane lane;
    private final QueueCommands queueCommands;
    private final Mapping memory = Mapping.anonymous(DATA_AT + NvmeLimits.MAX_TRANSFER_BYTES);
    private final DataPointer pointer = new DataPointer(memory.address());
    private final AdminCommand command = new AdminCommand(memory.address() + ENTRY_AT, memory.address() + DATA_AT);
    private boolean busy;

    AdminQueue(Controller controller) {
        this.controller = controller;
        lane = controller.firstLane();
        queueCommands = new QueueCommands(controller);
    }

    /** Where the entry of the next command goes, {@link NvmeSpec#SQE_SIZE} bytes. */
    long entry() {
        return memory.address() + ENTRY_AT;
    }

    AdminCommand command() {
        return command;
    }

    /** Whether the last command waits for all queue threads to be quiesced: there is no room for another one here. */
    boolean isBusy() {
        return busy;
    }

    /**
     * Carries out the command at {@link #entry}.
     *
     * @param remote whether data move by {@link DmaWindow#read} and {@link DmaWindow#write}: then nothing is in flight
     * @return a status; {@link AdminHandler#HELD}; {@link DataPointer#CUT_SHORT}; or, if not {@code remote}, {@link
     *     DataPointer#UNREACHABLE}, when nothing has happened
     */
    int execute(DmaWindow window, boolean remote) {
        command.setResult(0);
        if (!isRepeatable(command.opcode())) {
            controller.setUp().end();
        }
        int status = run(window, remote);
        report(status);
        return status;
    }

    /**
     * The last command has its answer, whose completion is about to be posted.
     *
     * @param startNs when it was taken
     */
    void answered(SubmissionQueue queue, int status, long startNs) {
        queue.statistics.started(1);
        boolean worked = status == SUCCESSFUL_COMPLETION;
        queue.statistics.completed(CommandKind.OTHER, 0, System.nanoTime() - startNs, worked);
        controller
                .setUp()
                .save(controller, new Controller.HeldCompletion(command.cid(), command.result(), status), false);
    }

    /** Whether one that was carried out, and has no answer, may be carried out again. Drivers send no others to set up a controller. */
    private static boolean isRepeatable(int opcode) {
        return switch (opcode) {
            case CREATE_IO_SUBMISSION_QUEUE,
                    CREATE_IO_COMPLETION_QUEUE,
                    DOORBELL_BUFFER_CONFIG,
                    IDENTIFY,
                    GET_LOG_PAGE,
                    GET_FEATURES,
                    SET_FEATURES,
                    ASYNCHRONOUS_EVENT_REQUEST -> true;
            default -> false;
        };
    }

    private void report(int status) {
        if (status > SUCCESSFUL_COMPLETION) {
            controller.failed(lane, 0, command.cid(), status, command.nsid(), 0);
        }
    }

    @Override
    public void close() {
        memory.close();
    }

    private int run(DmaWindow window, boolean remote) {
        if (command.fuse() != 0 || command.psdt() != PSDT_PRP) {
            return INVALID_FIELD_IN_COMMAND | DNR;
        }
        if (QueueCommands.isOne(command.opcode())) {
            int refusal = queueCommands.prepare(command, window);
            return refusal == SUCCESSFUL_COMPLETION ? carryOut() : refusal;
        }
        AdminHandler handler = controller.handler();
        int bytes = handler.dataBytes(command);
        if (bytes <= 0) {
            return bytes == 0 ? carryOut() : -bytes;
        }
        boolean toHost = handler.isToHost(command);
        int status =
                pointer.find(PSDT_PRP, command.prp1(), command.prp2(), bytes, controller.pageBytes(), window, remote);
        if (status == SUCCESSFUL_COMPLETION && !remote && !isReachable(window, toHost)) {
            status = DataPointer.UNREACHABLE;
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = toHost ? clear(bytes) : move(window, remote, false);
        }
        if (status == SUCCESSFUL_COMPLETION) {
            status = carryOut();
        }
        return status == SUCCESSFUL_COMPLETION && toHost ? move(window, remote, true) : status;
    }

    /** With its data here: carries it out at once, or as soon as that meets no other queue thread. */
    private int carryOut() {
        if (!controller.isShared() || !stopsQueues()) {
            return carryOutNow();
        }
        busy = true;
        int resets = controller.resets();
        controller.quiesce(() -> {
            busy = false;
            if (controller.resets() == resets) {
                int status = carryOutNow();
                report(status);
                if (status != AdminHandler.HELD) {
                    controller.complete(command.cid(), command.result(), status);
                }
            }
        });
        return AdminHandler.HELD;
    }

    private int carryOutNow() {
        if (QueueCommands.isOne(command.opcode())) {
            return queueCommands.execute(command);
        }
        synchronized (controller.handlerLock()) {
            return controller.handler().execute(command);
        }
    }

    private boolean stopsQueues() {
        int opcode = command.opcode();
        return QueueCommands.isOne(opcode)
                ? QueueCommands.stopsQueues(opcode)
                : controller.handler().stopsQueues(command);
    }

    private boolean isReachable(DmaWindow window, boolean toHost) {
        DataPieces pieces = pointer.pieces();
        for (int i = 0; i < pieces.count(); i++) {
            if (translate(window, i, toHost) <= 0) {
                return false;
            }
        }
        return true;
    }

    private int clear(int bytes) {
        RawMemory.fill(command.data(), bytes, (byte) 0);
        return SUCCESSFUL_COMPLETION;
    }

    private int move(DmaWindow window, boolean remote, boolean toHost) {
        DataPieces pieces = pointer.pieces();
        long data = command.data();
        for (int i = 0; i < pieces.count(); i++) {
            int error = remote ? moveRemote(window, i, data, toHost) : moveMapped(window, i, data, toHost);
            if (error != 0) {
                return DataPointer.statusOf(error);
            }
            data += pieces.length(i);
        }
        return SUCCESSFUL_COMPLETION;
    }

    private int moveRemote(DmaWindow window, int piece, long data, boolean toHost) {
        long iova = pointer.pieces().iova(piece);
        int length = pointer.pieces().length(piece);
        return toHost ? window.write(iova, data, length) : window.read(iova, data, length);
    }

    private int moveMapped(DmaWindow window, int piece, long data, boolean toHost) {
        int length = pointer.pieces().length(piece);
        long host = translate(window, piece, toHost);
        if (toHost) {
            RawMemory.copy(data, host, length);
            window.markDirty(pointer.pieces().iova(piece), length);
        } else {
            RawMemory.copy(host, data, length);
        }
        return 0;
    }

    private long translate(DmaWindow window, int piece, boolean toHost) {
        DataPieces pieces = pointer.pieces();
        return window.translate(pieces.iova(piece), pieces.length(piece), toHost ? DmaSpace.WRITE : DmaSpace.READ);
    }
}
