package org.vfio4j.nvme;

import java.util.Comparator;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;

/**
 * What one queue thread has of a controller: the completion queues whose number says so, the submission queues that complete there, and
 * storage queues of its own. The first thread has the admin queues as well, and {@link #ask asks} the others when queues come and go.
 * Belongs to that thread, or to whoever has all of them quiesced.
 */
final class Lane {

    final int index;
    final IoTally tally = new IoTally();
    final ShadowDoorbells shadow;
    final NvmeInterrupts interrupts;
    final Aborts aborts = new Aborts(this);

    /** Whether it has found an I/O command since there are queues. */
    boolean used;

    private final Controller controller;
    private final Queue<Errand> errands = new ConcurrentLinkedQueue<>();
    private SubmissionQueue[] submissions = {};
    private CompletionQueue[] completions = {};
    private int deletions;
    private @Nullable Fd eventFd;
    private @Nullable IoEngine engine;
    private volatile boolean releasing;

    Lane(int index, Controller controller, ShadowDoorbells shadow, NvmeInterrupts interrupts) {
        this.index = index;
        this.controller = controller;
        this.shadow = shadow;
        this.interrupts = interrupts;
    }

    Controller controller() {
        return controller;
    }

    /** Its I/O submission queues, by their identifiers. */
    SubmissionQueue[] submissions() {
        return submissions;
    }

    /** That of the admin queue is the first of the first lane. */
    CompletionQueue[] completions() {
        return completions;
    }

    /** Its submission queue of that number, if it is there. */
    @Nullable
    SubmissionQueue submission(int sqid) {
        for (SubmissionQueue queue : submissions) {
            if (queue.id == sqid) {
                return queue;
            }
        }
        return null;
    }

    /** Whether there is anything for its thread to look at. */
    boolean isWanted() {
        return completions.length != 0 || isAsked();
    }

    /** Has its thread do something at its next look, behind what it was asked before. From any thread. */
    void ask(Errand errand) {
        errands.add(errand);
        // With doorbells that nobody traps it has to look by itself.
        controller.wake(index);
    }

    /** Whether there is something that it was asked, and has not done. From any thread. */
    boolean isAsked() {
        return !errands.isEmpty();
    }

    /** Does what was asked. Returns how much that was. */
    int carryOut(@Nullable DmaWindow window) {
        int done = 0;
        for (Errand next = errands.poll(); next != null; next = errands.poll()) {
            next.carryOut(window);
            done++;
        }
        return done;
    }

    void serve(CompletionQueue queue) {
        // Another of this number may have been there.
        shadow.forgetEvent(Doorbells.headOf(queue.id));
        completions = Stream.concat(Stream.of(completions), Stream.of(queue))
                .sorted(Comparator.comparingInt(each -> each.id))
                .toArray(CompletionQueue[]::new);
    }

    void serve(SubmissionQueue queue) {
        use(Stream.concat(Stream.of(submissions), Stream.of(queue)).sorted(Comparator.comparingInt(each -> each.id)));
    }

    /** It has no submission queues any more. */
    void drop(CompletionQueue queue, @Nullable DmaWindow window) {
        if (window != null) {
            queue.markDirty(window);
        }
        completions = Stream.of(completions).filter(each -> each != queue).toArray(CompletionQueue[]::new);
    }

    /** Takes nothing more from a queue, and takes back what the storage gives back: {@link #finishDeletions} tells of its end. */
    void delete(SubmissionQueue queue) {
        queue.deleting = true;
        deletions++;
        aborts.takeBack(queue, NvmeStatus.COMMAND_ABORTED_DUE_TO_SQ_DELETION);
    }

    /** Lets go of the queues that are to be deleted and have become empty. */
    void finishDeletions() {
        if (deletions == 0) {
            return;
        }
        for (SubmissionQueue queue : submissions) {
            if (queue.deleting && queue.inFlight == 0) {
                deletions--;
                use(Stream.of(submissions).filter(each -> each != queue));
                controller.errands().deleted(queue, this);
            }
        }
    }

    /** There are no queues any more, and nobody wants anything. Quiesced. */
    void clear() {
        errands.clear();
        deletions = 0;
        used = false;
        completions = new CompletionQueue[0];
        use(Stream.of());
        shadow.reset();
    }

    /** What its window has translated is void. */
    void forget() {
        for (SubmissionQueue queue : submissions) {
            queue.forget();
        }
        for (CompletionQueue queue : completions) {
            queue.forget();
        }
        SubmissionQueue admin = index == 0 ? controller.queues().admin() : null;
        if (admin != null) {
            admin.forget();
        }
        shadow.forget();
    }

    private void use(Stream<SubmissionQueue> others) {
        submissions = others.toArray(SubmissionQueue[]::new);
        IoEngine open = engine;
        if (open != null) {
            open.queuesChanged();
        }
    }

    /** The thread has begun, with this to wake it; or ends, with null: nothing is in flight. */
    void use(@Nullable Fd eventFd) {
        this.eventFd = eventFd;
        if (eventFd == null) {
            closeEngine();
        }
    }

    /** Whether the thread is there, so that {@link #openEngine} works. */
    boolean isInUse() {
        return eventFd != null;
    }

    @Nullable
    IoEngine engine() {
        return engine;
    }

    /** That which is there, or a new one. Only while the thread runs. */
    IoEngine openEngine() {
        IoEngine open = engine;
        if (open == null) {
            open = new IoEngine(this, Objects.requireNonNull(eventFd));
            engine = open;
        }
        return open;
    }

    void closeEngine() {
        IoEngine open = engine;
        engine = null;
        if (open != null) {
            open.close();
        }
        releasing = false;
    }

    /** Nothing is in flight on a backend, and nothing will be. Its queue is closed at the thread's next look. */
    void release(BlockBackend backend) {
        IoEngine open = engine;
        if (open != null && open.release(backend)) {
            releasing = true;
            ask(window -> closeReleased());
        }
    }

    /** By its thread; or by whoever has it quiesced, when that does not look. */
    void closeReleased() {
        IoEngine open = engine;
        if (open != null) {
            open.storage().closeReleased();
        }
        releasing = false;
    }

    /** Whether it has yet to close what was released. From any thread. */
    boolean isReleasing() {
        return releasing;
    }
}
