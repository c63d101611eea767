package org.vfio4j.nvme;

import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The queues that exist, their doorbells, and which queue thread has which: a completion queue belongs to one, and with it the submission
 * queues that complete there. Changed by the only queue thread, or while all of several are quiesced.
 */
final class QueueTable {

    private final Doorbells doorbells;
    private final @Nullable SubmissionQueue[] submission;
    private final @Nullable CompletionQueue[] completion;
    private final SubmissionQueue[][] submissions;
    private final CompletionQueue[][] completions;

    QueueTable(Doorbells doorbells, int queuePairs, int lanes) {
        this.doorbells = doorbells;
        submissions = new SubmissionQueue[lanes][0];
        completions = new CompletionQueue[lanes][0];
        submission = new @Nullable SubmissionQueue[queuePairs + 1];
        completion = new @Nullable CompletionQueue[queuePairs + 1];
    }

    int queuePairs() {
        return submission.length - 1;
    }

    /** Those for I/O of one thread, by their identifiers. */
    SubmissionQueue[] submissions(int lane) {
        return submissions[lane];
    }

    /** Those of one thread. That of the admin queue is the first. */
    CompletionQueue[] completions(int lane) {
        return completions[lane];
    }

    /** The thread that has a completion queue. */
    int laneOf(int cqid) {
        return cqid == 0 ? 0 : (cqid - 1) % submissions.length;
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
        list();
    }

    void add(SubmissionQueue queue) {
        submission[queue.id] = queue;
        queue.completions.users++;
        doorbells.begin(Doorbells.tailOf(queue.id), laneOf(queue.completions.id));
        list();
    }

    void remove(CompletionQueue queue) {
        completion[queue.id] = null;
        doorbells.end(Doorbells.headOf(queue.id));
        list();
    }

    void remove(SubmissionQueue queue) {
        submission[queue.id] = null;
        queue.completions.users--;
        doorbells.end(Doorbells.tailOf(queue.id));
        list();
    }

    /** What a thread's window has translated is void. */
    void forget(int lane) {
        for (SubmissionQueue queue : submissions[lane]) {
            queue.forget();
        }
        for (CompletionQueue queue : completions[lane]) {
            queue.forget();
        }
        SubmissionQueue admin = admin();
        if (lane == 0 && admin != null) {
            admin.forget();
        }
    }

    void clear() {
        Arrays.fill(submission, null);
        Arrays.fill(completion, null);
        doorbells.reset();
        list();
    }

    private void list() {
        for (int i = 0; i < submissions.length; i++) {
            int lane = i;
            submissions[i] = Stream.of(submission)
                    .skip(1)
                    .filter(queue -> queue != null && laneOf(queue.completions.id) == lane)
                    .toArray(SubmissionQueue[]::new);
            completions[i] = Stream.of(completion)
                    .filter(queue -> queue != null && laneOf(queue.id) == lane)
                    .toArray(CompletionQueue[]::new);
        }
    }
}
