package org.vfio4j.nvme;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Fd;

/**
 * What one queue thread has of a controller: the completion queues whose number says so, the submission queues that complete there, and
 * storage queues of its own. The first thread has the admin queues as well. Belongs to that thread, or to whoever has all of them quiesced.
 */
final class Lane {

    final int index;
    final IoTally tally = new IoTally();
    final ShadowDoorbells shadow;
    final NvmeInterrupts interrupts;
    final Aborts aborts = new Aborts(this);

    private final Controller controller;
    private @Nullable Fd eventFd;
    private @Nullable IoEngine engine;

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
        return controller.queues().submissions(index);
    }

    /** That of the admin queue is the first of the first lane. */
    CompletionQueue[] completions() {
        return controller.queues().completions(index);
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
    }
}
