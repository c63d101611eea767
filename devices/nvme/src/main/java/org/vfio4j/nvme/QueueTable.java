package org.vfio4j.nvme;

import java.util.Arrays;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The queues that exist, and their doorbells. Belongs to the queue thread. */
final class QueueTable {

    private final Doorbells doorbells;
    private final @Nullable SubmissionQueue[] submission;
    private final @Nullable CompletionQueue[] completion;
    private SubmissionQueue[] submissions = {};
    private CompletionQueue[] completions = {};

    QueueTable(Doorbells doorbells, int queuePairs) {
        this.doorbells = doorbells;
        submission = new @Nullable SubmissionQueue[queuePairs + 1];
        completion = new @Nullable CompletionQueue[queuePairs + 1];
    }

    int queuePairs() {
        return submission.length - 1;
    }

    /** Those for I/O, by their identifiers. */
    SubmissionQueue[] submissions() {
        return submissions;
    }

    /** That of the admin queue is the first. */
    CompletionQueue[] completions() {
        return completions;
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
        doorbells.setLive(Doorbells.headOf(queue.id), true);
        list();
    }

    void add(SubmissionQueue queue) {
        submission[queue.id] = queue;
        queue.completions.users++;
        doorbells.setLive(Doorbells.tailOf(queue.id), true);
        list();
    }

    void remove(CompletionQueue queue) {
        completion[queue.id] = null;
        doorbells.setLive(Doorbells.headOf(queue.id), false);
        list();
    }

    void remove(SubmissionQueue queue) {
        submission[queue.id] = null;
        queue.completions.users--;
        doorbells.setLive(Doorbells.tailOf(queue.id), false);
        list();
    }

    /** What the window has translated is void. */
    void forget() {
        for (SubmissionQueue queue : submissions) {
            queue.forget();
        }
        for (CompletionQueue queue : completions) {
            queue.forget();
        }
        SubmissionQueue admin = admin();
        if (admin != null) {
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
        submissions = Stream.of(submission).skip(1).filter(Objects::nonNull).toArray(SubmissionQueue[]::new);
        completions = Stream.of(completion).filter(Objects::nonNull).toArray(CompletionQueue[]::new);
    }
}
