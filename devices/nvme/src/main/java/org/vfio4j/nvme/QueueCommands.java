package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.nvme.NvmeStatus.*;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueStatistics;

/**
 * The admin commands about queues: create and delete them (NVM Express Base 2.0, 5.4 to 5.7 of PCIe controllers), Abort (5.1), Doorbell
 * Buffer Config (5.8). Belongs to the first queue thread.
 */
final class QueueCommands {

    private final Controller controller;
    private final QueueTable queues;

    QueueCommands(Controller controller) {
        this.controller = controller;
        queues = controller.queues();
    }

    static boolean isOne(int opcode) {
        return switch (opcode) {
            case DELETE_IO_SUBMISSION_QUEUE,
                    CREATE_IO_SUBMISSION_QUEUE,
                    DELETE_IO_COMPLETION_QUEUE,
                    CREATE_IO_COMPLETION_QUEUE,
                    ABORT,
                    DOORBELL_BUFFER_CONFIG -> true;
            default -> false;
        };
    }

    /** Whether a command of these meets no running queue. The others leave to each thread when it begins or ends to serve a queue. */
    static boolean stopsQueues(int opcode) {
        return opcode == DOORBELL_BUFFER_CONFIG;
    }

    /**
     * What of a command needs the driver's memory, and comes before: the shadow doorbells of queues that are to be begin at 0, before the
     * driver writes there.
     *
     * @return a status
     */
    int prepare(AdminCommand command, DmaWindow window) {
        int qid = low(command.cdw10());
        switch (command.opcode()) {
            case CREATE_IO_COMPLETION_QUEUE -> {
                if (isNew(qid, queues.completion(qid))) {
                    shadow(Doorbells.headOf(qid), window);
                }
            }
            case CREATE_IO_SUBMISSION_QUEUE -> {
                if (isNew(qid, queues.submission(qid))) {
                    shadow(Doorbells.tailOf(qid), window);
                }
            }
            case DOORBELL_BUFFER_CONFIG -> {
                return prepareDoorbells(command, window);
            }
            default -> {}
        }
        return SUCCESSFUL_COMPLETION;
    }

    /**
     * After {@link #prepare}; those that {@link #stopsQueues stop the queues}, with all threads quiesced.
     *
     * @return a status, or {@link AdminHandler#HELD}
     */
    int execute(AdminCommand command) {
        return switch (command.opcode()) {
            case CREATE_IO_COMPLETION_QUEUE -> createCompletion(command);
            case CREATE_IO_SUBMISSION_QUEUE -> createSubmission(command);
            case DELETE_IO_COMPLETION_QUEUE -> deleteCompletion(command);
            case DELETE_IO_SUBMISSION_QUEUE -> deleteSubmission(command);
            case ABORT -> abort(command);
            default -> configureDoorbells(command);
        };
    }

    private int createCompletion(AdminCommand command) {
        int qid = low(command.cdw10());
        if (!isNew(qid, queues.completion(qid)) || qid > controller.completionLimit()) {
            return INVALID_QUEUE_IDENTIFIER | DNR;
        }
        int refusal = layout(command, CC_IOCQES_SHIFT, CQE_SIZE_SHIFT);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        int vector = high(command.cdw11());
        if (vector >= controller.vectors()) {
            return INVALID_INTERRUPT_VECTOR | DNR;
        }
        boolean interrupts = (command.cdw11() & QUEUE_IEN) != 0;
        int entries = high(command.cdw10()) + 1;
        QueueStatistics statistics = controller.statistics(qid);
        controller.errands().create(new CompletionQueue(qid, command.prp1(), entries, vector, interrupts, statistics));
        return SUCCESSFUL_COMPLETION;
    }

    private int createSubmission(AdminCommand command) {
        int qid = low(command.cdw10());
        if (!isNew(qid, queues.submission(qid)) || qid > controller.submissionLimit()) {
            return INVALID_QUEUE_IDENTIFIER | DNR;
        }
        int cqid = high(command.cdw11());
        if (cqid == 0 || cqid > queues.queuePairs()) {
            return INVALID_QUEUE_IDENTIFIER | DNR;
        }
        CompletionQueue completions = queues.completion(cqid);
        if (completions == null || completions.deletionWanted) {
            return COMPLETION_QUEUE_INVALID | DNR;
        }
        int refusal = layout(command, CC_IOSQES_SHIFT, SQE_SIZE_SHIFT);
        if (refusal != SUCCESSFUL_COMPLETION) {
            return refusal;
        }
        int entries = high(command.cdw10()) + 1;
        QueueStatistics statistics = controller.statistics(qid);
        controller.errands().create(new SubmissionQueue(qid, command.prp1(), entries, completions, statistics));
        return SUCCESSFUL_COMPLETION;
    }

    /** Size and place of a queue, and the size of its entries that CC says. */
    private int layout(AdminCommand command, int sizeShift, int entryShift) {
        int size = high(command.cdw10());
        boolean entries = ((controller.registers().cc() >>> sizeShift) & CC_ES_MASK) == entryShift;
        if (size == 0 || size >= NvmeLimits.MAX_QUEUE_ENTRIES || !entries) {
            return INVALID_QUEUE_SIZE | DNR;
        }
        if ((command.cdw11() & QUEUE_PC) == 0) {
            // CAP.CQR: queues are physically contiguous.
            return INVALID_FIELD_IN_COMMAND | DNR;
        }
        return (command.prp1() & (controller.pageBytes() - 1)) != 0 ? PRP_OFFSET_INVALID | DNR : SUCCESSFUL_COMPLETION;
    }

    private int deleteCompletion(AdminCommand command) {
        int qid = low(command.cdw10());
        CompletionQueue queue = qid == 0 ? null : queues.completion(qid);
        if (queue == null || queue.deletionWanted) {
            return INVALID_QUEUE_IDENTIFIER | DNR;
        }
        // Those that are about to go were asked to before: a driver may send both at a time.
        if (queue.users != queue.leavers) {
            return INVALID_QUEUE_DELETION | DNR;
        }
        controller.errands().delete(queue, command.cid());
        return AdminHandler.HELD;
    }

    /** What the storage has must come back before the queue can go; what was not taken is dropped. */
    private int deleteSubmission(AdminCommand command) {
        int qid = low(command.cdw10());
        SubmissionQueue queue = qid == 0 ? null : queues.submission(qid);
        if (queue == null || queue.deletionWanted) {
            return INVALID_QUEUE_IDENTIFIER | DNR;
        }
        controller.errands().delete(queue, command.cid());
        return AdminHandler.HELD;
    }

    /** Of the admin commands only those that are held can be aborted; those of I/O queues as {@link Aborts} says. */
    private int abort(AdminCommand command) {
        int cid = high(command.cdw10());
        int sqid = low(command.cdw10());
        SubmissionQueue queue = sqid == 0 ? null : queues.submission(sqid);
        if (queue != null) {
            return controller.errands().abort(queue, cid, command.cid())
                    ? AdminHandler.HELD
                    : ABORT_COMMAND_LIMIT_EXCEEDED;
        }
        boolean aborted;
        synchronized (controller.handlerLock()) {
            aborted = sqid == 0 && controller.handler().abortHeld(cid);
        }
        if (aborted) {
            controller.complete(cid, 0, COMMAND_ABORT_REQUESTED);
        }
        command.setResult(aborted ? 0 : ABORT_NOT_DONE);
        return SUCCESSFUL_COMPLETION;
    }

    /** The buffers say where each queue stands, as its doorbell does. */
    private int prepareDoorbells(AdminCommand command, DmaWindow window) {
        long page = controller.pageBytes() - 1L;
        if (((command.prp1() | command.prp2()) & page) != 0) {
            return INVALID_FIELD_IN_COMMAND | DNR;
        }
        ShadowDoorbells shadow = new ShadowDoorbells(queues.queuePairs());
        shadow.configure(command.prp1(), command.prp2());
        if (!shadow.locate(window)) {
            return INVALID_FIELD_IN_COMMAND | DNR;
        }
        ShadowDoorbells before = controller.firstLane().shadow;
        boolean shadowed = before.isConfigured() && (before.isLocated() || before.locate(window));
        for (int id = 1; id <= queues.queuePairs(); id++) {
            if (queues.submission(id) != null) {
                copy(Doorbells.tailOf(id), shadowed ? before : null, shadow, window);
            }
            if (queues.completion(id) != null) {
                copy(Doorbells.headOf(id), shadowed ? before : null, shadow, window);
            }
        }
        return SUCCESSFUL_COMPLETION;
    }

    private void copy(int doorbell, @Nullable ShadowDoorbells from, ShadowDoorbells to, DmaWindow window) {
        int value = from == null ? controller.doorbells().get(doorbell) : from.get(doorbell);
        to.set(doorbell, value, window);
    }

    private int configureDoorbells(AdminCommand command) {
        for (Lane lane : controller.lanes()) {
            lane.shadow.configure(command.prp1(), command.prp2());
        }
        return SUCCESSFUL_COMPLETION;
    }

    private void shadow(int doorbell, DmaWindow window) {
        ShadowDoorbells shadow = controller.firstLane().shadow;
        if (shadow.isConfigured() && (shadow.isLocated() || shadow.locate(window))) {
            shadow.set(doorbell, 0, window);
        }
    }

    private boolean isNew(int qid, @Nullable Object existing) {
        return qid != 0 && qid <= queues.queuePairs() && existing == null;
    }

    private static int low(int dword) {
        return dword & 0xffff;
    }

    private static int high(int dword) {
        return dword >>> Short.SIZE;
    }
}
