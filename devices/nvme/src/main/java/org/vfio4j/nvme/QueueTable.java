package org.vfio4j.nvme;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The queues that exist, their doorbells, and which queue thread has which: a completion queue belongs to one, and with it the submission
 * queues that complete there. Belongs to the first thread; each serves those that its {@link Lane} has.
 */
final class QueueTable {

    private final Doorbells doorbells;
    private final @Nullable SubmissionQueue[] submission;
    private final @Nullable CompletionQueue[] completion;
    private final int lanes;

    QueueTable(Doorbells doorbells, int queuePairs, int lanes) {
        this.doorbells = doorbells;
        this.lanes = lanes;
        submission = new @Nullable SubmissionQueue[queuePairs + 1];
        completion = new @Nullable CompletionQueue[queuePairs + 1];
    }

    int queuePairs() {
        return submission.length - 1;
    }

    /** The thread that has a completion queue. */
    int laneOf(int cqid) {
        return cqid == 0 ? 0 : (cqid - 1) % lanes;
    }

    boolean hasIoQueues() {
        for (int id = 1; id < submission.length; id++) {
            if (submission[id] != null || completion[id] != null) {
                return true;
            }
        }
        return false;
    }

    @Nullable
    SubmissionQueue admin() {
        return submission[0];
    }

    /** @param sqid any number */
    @Nullable
    SubmissionQueue submission(int sqid) {
        return sqid < submission.length ? submission[sqid] : null;
    }

    /** @param cqid any number */
    @Nullable
    CompletionQueue completion(int cqid) {
        return cqid < completion.length ? completion[cqid] : null;
    }

    void add(CompletionQueue queue) {
        completion[queue.id] = queue;
        doorbells.begin(Doorbells.headOf(queue.id), laneOf(queue.id));
    }

    void add(SubmissionQueue queue) {
        submission[queue.id] = queue;
        queue.completions.users++;
        doorbells.begin(Doorbells.tailOf(queue.id), laneOf(queue.completions.id));
    }

    void remove(CompletionQueue queue) {
        completion[queue.id] = null;
        doorbells.end(Doorbells.headOf(queue.id));
    }

    void remove(SubmissionQueue queue) {
        submission[queue.id] = null;
        queue.completions.users--;
        doorbells.end(Doorbells.tailOf(queue.id));
    }

    void clear() {
        Arrays.fill(submission, null);
        Arrays.fill(completion, null);
        doorbells.reset();
    }
}
