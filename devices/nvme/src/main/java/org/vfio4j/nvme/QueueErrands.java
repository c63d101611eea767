package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.ABORT_NOT_DONE;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * How queues come and go, and commands are aborted, while they are served: the first thread has the table of all queues, and {@link Lane#ask
 * asks} the one that has the queue. Belongs to the first thread, or to whoever has all quiesced.
 */
final class QueueErrands {

    private final Controller controller;
    private final Doorbells doorbells;
    private final QueueTable queues;
    private final AtomicInteger aborts = new AtomicInteger();

    QueueErrands(Controller controller, Doorbells doorbells, QueueTable queues) {
        this.controller = controller;
        this.doorbells = doorbells;
        this.queues = queues;
    }

    /** A queue that nobody has rung for, and its thread to serve it. */
    void create(CompletionQueue queue) {
        doorbells.set(Doorbells.headOf(queue.id), 0);
        add(queue);
    }

    /** The same. */
    void create(SubmissionQueue queue) {
        doorbells.set(Doorbells.tailOf(queue.id), 0);
        add(queue);
    }

    /** Has its thread serve a queue. */
    void add(CompletionQueue queue) {
        queues.add(queue);
        Lane lane = laneOf(queue);
        lane.ask(window -> lane.serve(queue));
    }

    /** Has the thread of its completion queue serve a queue; the admin queue is not among those. */
    void add(SubmissionQueue queue) {
        queues.add(queue);
        if (queue.id != 0) {
            Lane lane = laneOf(queue.completions);
            lane.ask(window -> lane.serve(queue));
        }
    }

    /** Has its thread let go of a queue, as soon as no submission queue uses it; then it is gone, and the command that wants that is completed. */
    void delete(CompletionQueue queue, int cid) {
        queue.deletionWanted = true;
        queue.deletingCid = cid;
        if (queue.users == 0) {
            drop(queue);
        }
    }

    private void drop(CompletionQueue queue) {
        Lane lane = laneOf(queue);
        lane.ask(window -> {
            lane.drop(queue, window);
            controller.firstLane().ask(own -> {
                queues.remove(queue);
                controller.complete(queue.deletingCid, 0, NvmeStatus.SUCCESSFUL_COMPLETION);
            });
        });
    }

    /** The same, as soon as the storage has answered all that it has of the queue's commands. */
    void delete(SubmissionQueue queue, int cid) {
        queue.deletionWanted = true;
        queue.deletingCid = cid;
        queue.completions.leavers++;
        Lane lane = laneOf(queue.completions);
        lane.ask(window -> lane.delete(queue));
    }

    /** The thread of a lane has let go of a queue. */
    void deleted(SubmissionQueue queue, Lane by) {
        if (by.equals(controller.firstLane())) {
            gone(queue);
        } else {
            controller.firstLane().ask(window -> gone(queue));
        }
    }

    private void gone(SubmissionQueue queue) {
        queues.remove(queue);
        controller.complete(queue.deletingCid, 0, NvmeStatus.SUCCESSFUL_COMPLETION);
        CompletionQueue completions = queue.completions;
        completions.leavers--;
        if (completions.deletionWanted && completions.users == 0) {
            drop(completions);
        }
    }

    private Lane laneOf(CompletionQueue queue) {
        return controller.lanes().get(queues.laneOf(queue.id));
    }

    /**
     * Has a command of an I/O queue aborted.
     *
     * @param by the Abort, which is held until {@link #abortDone}
     * @return false when too many are under way
     */
    boolean abort(SubmissionQueue queue, int cid, int by) {
        if (aborts.get() == NvmeLimits.MAX_ABORTS) {
            return false;
        }
        aborts.incrementAndGet();
        laneOf(queue.completions).aborts.ask(queue.id, cid, by);
        return true;
    }

    void abortDone(int by, boolean aborted) {
        aborts.decrementAndGet();
        controller.complete(by, aborted ? 0 : ABORT_NOT_DONE, NvmeStatus.SUCCESSFUL_COMPLETION);
    }

    /** Nothing is in flight: what waits for that has its answer, before the state is saved. Quiesced. */
    void settle() {
        // One that is done may have the first thread told, and that one ask for another.
        do {
            for (Lane lane : controller.lanes()) {
                lane.carryOut(null);
                lane.finishDeletions();
            }
        } while (controller.lanes().stream().anyMatch(Lane::isAsked));
    }

    /** There are no queues any more, nor anything of theirs. Quiesced. */
    void clear() {
        queues.clear();
        controller.lanes().forEach(Lane::clear);
        aborts.set(0);
    }
}
