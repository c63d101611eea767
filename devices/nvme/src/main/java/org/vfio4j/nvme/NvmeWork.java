package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ENOTCONN;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueWork;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * The queue thread's work on a controller: looks at each doorbell, has the commands behind it carried out, and interrupts once for a
 * batch of completions.
 *
 * <p>A queue is served in one of two ways. Fast: entries and data are translated and used in place, many commands in flight. Slowly:
 * one command alone, everything by {@link DmaWindow#read} and {@link DmaWindow#write}, for memory that is not mapped. Since these may
 * wait and put the window offline, nothing is in flight meanwhile and every queue is located anew afterwards.
 */
final class NvmeWork implements QueueWork {

    /** A driver that does not ring is looked after by polling, for ever. */
    static final long NEVER = Long.MAX_VALUE;

    private static final Logger LOG = System.getLogger(NvmeWork.class.getName());

    /** How often a queue is looked for that has commands but whose memory is not there: for about 0.1 s. */
    private static final int TRIES = 100;

    private final String name;
    private final Controller controller;
    private final QueueTable queues;
    private final boolean pollsAlways;
    private final long napAfterNs;

    private volatile boolean masters;
    private volatile boolean stopped;
    private volatile boolean knocked;

    private @Nullable AdminQueue admin;
    private @Nullable Mapping scratch;
    private boolean lost;
    private boolean cutShort;
    private boolean wanted;
    private int triesLeft = TRIES;
    private long idleSinceNs;

    /**
     * @param pollsAlways whether the thread polls for ever
     * @param napAfterNs after how long without work a thread that would poll for ever sleeps for a moment between two looks; {@link
     *     #NEVER} for one that does not
     */
    NvmeWork(String name, Controller controller, boolean pollsAlways, long napAfterNs) {
        this.name = name;
        this.controller = controller;
        queues = controller.queues();
        this.pollsAlways = pollsAlways;
        this.napAfterNs = napAfterNs;
    }

    /** Whether the function may do DMA at all. From the function's thread. */
    void setBusMaster(boolean enabled) {
        masters = enabled;
    }

    /** Whether it is suspended. From any thread. */
    void setStopped(boolean suspended) {
        stopped = suspended;
    }

    boolean isStopped() {
        return stopped;
    }

    /** A doorbell was rung in a way that was seen. From any thread. */
    void doorbellRung() {
        knocked = true;
    }

    @Override
    public boolean ready() {
        return masters && !stopped && controller.registers().isReady();
    }

    @Override
    public void begin(Fd eventFd) {
        controller.use(eventFd);
        admin = new AdminQueue(controller);
        scratch = Mapping.anonymous(SQE_SIZE + CQE_SIZE);
    }

    @Override
    public void end() {
        controller.use(null);
        Objects.requireNonNull(admin).close();
        Objects.requireNonNull(scratch).close();
        admin = null;
        scratch = null;
    }

    @Override
    public void entered(DmaWindow window) {
        forgetAll();
    }

    @Override
    public int poll(DmaWindow window) {
        if (knocked) {
            knocked = false;
            wanted = true;
        }
        lost = false;
        cutShort = false;
        int did = complete();
        did += pollAdmin(window);
        did += postHeld(window);
        for (SubmissionQueue queue : queues.submissions()) {
            did += poll(queue, window);
        }
        did += complete();
        controller.finishDeletions();
        deliver(window, false);
        if (lost) {
            return searchOn(did);
        }
        wanted = false;
        triesLeft = TRIES;
        return did == 0 ? idle() : busy(did);
    }

    @Override
    public boolean arm(DmaWindow window) {
        IoEngine engine = controller.engine();
        if (engine != null && engine.arm()) {
            return true;
        }
        deliver(window, true);
        ShadowDoorbells shadow = controller.shadow();
        if (!shadow.isConfigured() || !locateShadow(window)) {
            // Every doorbell wakes the thread.
            return false;
        }
        for (SubmissionQueue queue : queues.submissions()) {
            shadow.setEvent(Doorbells.tailOf(queue.id), queue.tail, window);
        }
        for (CompletionQueue queue : queues.completions()) {
            if (queue.id != 0) {
                shadow.setEvent(Doorbells.headOf(queue.id), queue.head, window);
            }
        }
        // The driver writes its doorbell and then looks at the index; this looks the other way round.
        RawMemory.fullFence();
        return ready() && hasShadowNews(shadow);
    }

    @Override
    public void disarm(DmaWindow window) {
        IoEngine engine = controller.engine();
        if (engine != null) {
            engine.disarm();
        }
    }

    @Override
    public int inFlight() {
        IoEngine engine = controller.engine();
        return engine == null ? 0 : engine.inFlight();
    }

    @Override
    public void drain(DmaWindow window) {
        IoEngine engine = controller.engine();
        if (engine != null && engine.inFlight() != 0) {
            engine.drain();
        }
        deliver(window, true);
    }

    @Override
    public void failed(Throwable cause) {
        LOG.log(Level.ERROR, name + ": the controller stops until it is reset", cause);
        fail();
        controller.closeEngine();
    }

    private int complete() {
        IoEngine engine = controller.engine();
        return engine == null ? 0 : engine.complete();
    }

    private int poll(SubmissionQueue queue, DmaWindow window) {
        takeDoorbells(queue, window);
        if (queue.waiting() == 0 || queue.deleting || queue.completions.room() <= 0) {
            return 0;
        }
        if (!queue.isLocated() && !queue.locate(window)) {
            lost = true;
            return 0;
        }
        if (queue.isRemote()) {
            return serveSlowly(queue, window);
        }
        IoEngine engine = controller.openEngine();
        int taken = engine.serve(queue, window);
        return queue.slowly ? taken + serveSlowly(queue, window) : taken;
    }

    private int pollAdmin(DmaWindow window) {
        SubmissionQueue queue = queues.admin();
        if (queue == null) {
            return 0;
        }
        takeDoorbells(queue, window);
        int taken = 0;
        while (queue.waiting() != 0 && queue.completions.room() > 0) {
            if (!queue.isLocated() && !queue.locate(window)) {
                lost = true;
                return taken;
            }
            int served = queue.isRemote() ? serveSlowly(queue, window) : serveAdmin(queue, window);
            if (served == 0) {
                return taken;
            }
            taken += served;
        }
        return taken;
    }

    private int serveAdmin(SubmissionQueue queue, DmaWindow window) {
        AdminQueue own = Objects.requireNonNull(admin);
        RawMemory.copy(queue.headAddress(), own.entry(), SQE_SIZE);
        queue.take();
        int status = own.execute(window, false);
        if (status == DataPointer.UNREACHABLE) {
            queue.putBack();
            return serveSlowly(queue, window);
        }
        controller.tally().adminCommands++;
        queue.inFlight--;
        if (status == AdminHandler.HELD) {
            queue.completions.reserved--;
        } else {
            queue.completions.post(
                    Integer.toUnsignedLong(own.command().result()),
                    0,
                    queue.head,
                    own.command().cid(),
                    status);
        }
        return 1;
    }

    /** Serves one command alone. Returns 1, or 0 when that did not work out. */
    private int serveSlowly(SubmissionQueue queue, DmaWindow window) {
        queue.slowly = false;
        drain(window);
        // What the driver mapped since the window was entered is seen only now.
        window.leave();
        window.enter();
        forgetAll();
        if (!queue.locate(window)) {
            lost = true;
            return 0;
        }
        if (queue.completions.room() <= 0) {
            return 0;
        }
        AdminQueue own = Objects.requireNonNull(admin);
        int error = window.read(queue.headIova(), own.entry(), SQE_SIZE);
        if (error != 0) {
            return lose(error);
        }
        queue.take();
        int status = queue.id == 0
                ? own.execute(window, true)
                : controller.openEngine().serveSlowly(queue.id, own.entry(), window);
        forgetAll();
        // Carrying it out twice does no harm: nobody has been told that it is done.
        if (status == DataPointer.CUT_SHORT || !queue.locate(window)) {
            queue.putBack();
            return lose(status == DataPointer.CUT_SHORT ? -ECANCELED : 0);
        }
        queue.inFlight--;
        if (status == AdminHandler.HELD) {
            queue.completions.reserved--;
            return 1;
        }
        long dw0 = queue.id == 0 ? Integer.toUnsignedLong(own.command().result()) : 0;
        error = post(queue, window, dw0, own.command().cid(), status);
        if (error != 0) {
            queue.inFlight++;
            queue.putBack();
            return lose(error);
        }
        return 1;
    }

    /** Completions of commands that were held, as far as there is room. */
    private int postHeld(DmaWindow window) {
        SubmissionQueue queue = queues.admin();
        int posted = 0;
        while (queue != null && !controller.heldCompletions().isEmpty() && queue.completions.room() > 0) {
            if (!queue.isLocated() && !queue.locate(window)) {
                lost = true;
                return posted;
            }
            if (queue.isRemote()) {
                drain(window);
            }
            Controller.HeldCompletion done = controller.heldCompletions().element();
            queue.completions.reserved++;
            int error = post(queue, window, Integer.toUnsignedLong(done.dw0()), done.cid(), done.status());
            if (queue.isRemote()) {
                forgetAll();
            }
            if (error != 0) {
                queue.completions.reserved--;
                lose(error);
                return posted;
            }
            controller.heldCompletions().remove();
            posted++;
        }
        return posted;
    }

    private int post(SubmissionQueue queue, DmaWindow window, long dw0, int cid, int status) {
        if (queue.completions.isRemote()) {
            long at = Objects.requireNonNull(scratch).address();
            int error = queue.completions.postRemote(window, at, dw0, queue.id, queue.head, cid, status);
            forgetAll();
            return error;
        }
        queue.completions.post(dw0, queue.id, queue.head, cid, status);
        return 0;
    }

    private int lose(int error) {
        cutShort |= error == -ECANCELED || error == -ENOTCONN;
        lost = true;
        return 0;
    }

    /** What the driver has written: how far the queue is filled, and its completions consumed. */
    private void takeDoorbells(SubmissionQueue queue, DmaWindow window) {
        boolean shadowed = queue.id != 0 && controller.shadow().isConfigured();
        if (shadowed && !locateShadow(window)) {
            lost = true;
            return;
        }
        int tail = doorbell(Doorbells.tailOf(queue.id), shadowed);
        if (tail != queue.tail && tail != queue.badTail) {
            boolean makesSense = queue.submit(tail);
            queue.badTail = makesSense ? -1 : tail;
            if (!makesSense) {
                controller.invalidDoorbellValue();
            }
        }
        if (queue.waiting() != 0
                || controller.interrupts().isPin()
                || !controller.heldCompletions().isEmpty()) {
            takeHead(queue.completions, shadowed);
        }
    }

    private void takeHead(CompletionQueue queue, boolean shadowed) {
        int head = doorbell(Doorbells.headOf(queue.id), shadowed);
        if (head != queue.head && head != queue.badHead) {
            boolean makesSense = queue.consume(head);
            queue.badHead = makesSense ? -1 : head;
            if (!makesSense) {
                controller.invalidDoorbellValue();
            }
        }
    }

    private int doorbell(int index, boolean shadowed) {
        return shadowed
                ? controller.shadow().get(index)
                : controller.doorbells().get(index);
    }

    private boolean locateShadow(DmaWindow window) {
        ShadowDoorbells shadow = controller.shadow();
        return shadow.isLocated() || shadow.locate(window);
    }

    private boolean hasShadowNews(ShadowDoorbells shadow) {
        for (SubmissionQueue queue : queues.submissions()) {
            int tail = shadow.get(Doorbells.tailOf(queue.id));
            int head = shadow.get(Doorbells.headOf(queue.completions.id));
            if ((tail != queue.tail && tail != queue.badTail)
                    || (head != queue.completions.head
                            && head != queue.completions.badHead
                            && (queue.waiting() != 0 || controller.interrupts().isPin()))) {
                return true;
            }
        }
        return false;
    }

    private void deliver(DmaWindow window, boolean now) {
        for (CompletionQueue queue : queues.completions()) {
            queue.markDirty(window);
        }
        controller.interrupts().deliver(queues.completions(), now);
    }

    private void forgetAll() {
        queues.forget();
        controller.shadow().forget();
    }

    private int busy(int did) {
        idleSinceNs = 0;
        return did;
    }

    /** A doorbell page that users have mapped is looked at from time to time. */
    private int idle() {
        if (napAfterNs == NEVER || inFlight() != 0) {
            return 0;
        }
        long now = System.nanoTime();
        if (idleSinceNs == 0) {
            idleSinceNs = now;
        }
        return now - idleSinceNs >= napAfterNs ? LATER : 0;
    }

    /**
     * Memory of a queue is not there. While nobody has rung, the driver may still be about to map it: nothing to do. A driver that
     * did ring gets a while, in which memory that is being mapped anew comes back.
     */
    private int searchOn(int did) {
        if (did != 0) {
            return did;
        }
        // Cut short: whoever did that is about to take the memory away or to reset the device. With shadow doorbells
        // nobody may ring.
        if (pollsAlways || cutShort || controller.shadow().isConfigured()) {
            return LATER;
        }
        if (!wanted) {
            return 0;
        }
        if (--triesLeft > 0) {
            return LATER;
        }
        LOG.log(Level.DEBUG, "{0}: queue memory that is not mapped", name);
        fail();
        return 0;
    }

    private void fail() {
        wanted = false;
        triesLeft = TRIES;
        controller.tally().faults++;
        controller.registers().addStatus(CSTS_CFS);
    }
}
