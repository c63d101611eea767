package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ENOTCONN;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.CommandKind;
import org.vfio4j.devicemodel.DeviceLimits;
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

    /** How long one that doorbells do not wake sleeps at most. */
    private static final long MAPPED_WAIT_NS = 1_000_000;

    private final String name;
    private final Lane lane;
    private final Controller controller;
    private final ShadowDoorbells shadow;
    private final DeviceLimits limits;
    private final boolean pollsAlways;
    private final boolean trapped;
    private final long napAfterNs;

    private volatile boolean knocked;

    // Of the first lane, once there is a thread: until the controller is closed, since a command may be under way.
    private @Nullable AdminQueue admin;
    private @Nullable Mapping scratch;
    private boolean lost;
    private boolean cutShort;
    private boolean wanted;
    private int triesLeft = TRIES;
    private long idleSinceNs;
    private long waitNs = NOTHING;

    /** The place of the submission queue that has its turn first: behind the one that was served last. */
    private int first;

    /**
     * @param pollsAlways whether the thread polls for ever
     * @param trapped whether a driver's doorbells always wake the thread
     * @param napAfterNs after how long without work a thread that would poll for ever sleeps for a moment between two looks; {@link
     *     #NEVER} for one that does not
     */
    NvmeWork(String name, Lane lane, boolean pollsAlways, boolean trapped, long napAfterNs) {
        this.name = name;
        this.lane = lane;
        controller = lane.controller();
        shadow = lane.shadow;
        limits = controller.limits();
        this.pollsAlways = pollsAlways;
        this.trapped = trapped;
        this.napAfterNs = napAfterNs;
    }

    /** A doorbell was rung in a way that was seen. From any thread. */
    void doorbellRung() {
        knocked = true;
    }

    @Override
    public boolean ready() {
        return controller.isRunning() && lane.isWanted();
    }

    @Override
    public void begin(Fd eventFd) {
        lane.use(eventFd);
        scratch = Mapping.anonymous(SQE_SIZE + CQE_SIZE);
    }

    @Override
    public void end() {
        lane.use(null);
        Objects.requireNonNull(scratch).close();
        scratch = null;
    }

    @Override
    public void entered(DmaWindow window) {
        forgetAll();
        looked(0);
    }

    @Override
    public void looked(long nowNs) {
        IoEngine engine = lane.engine();
        if (engine != null) {
            engine.looked(nowNs);
        }
    }

    @Override
    public int poll(DmaWindow window) {
        if (knocked) {
            knocked = false;
            wanted = true;
        }
        lost = false;
        cutShort = false;
        waitNs = NOTHING;
        int did = complete();
        if (lane.index == 0) {
            did += pollAdmin(window);
        }
        did += pollAll(window);
        // Behind what could be taken. What the storage gives back is completed at once.
        did += lane.carryOut(window);
        did += complete();
        lane.finishDeletions();
        deliver(window, false);
        if (lost) {
            return searchOn(did);
        }
        wanted = false;
        triesLeft = TRIES;
        return did == 0 ? idle() : busy(did);
    }

    @Override
    public long waitNs() {
        // A doorbell that nobody traps wakes nobody.
        return trapped || waitNs == NOTHING ? waitNs : Math.min(waitNs, MAPPED_WAIT_NS);
    }

    @Override
    public boolean arm(DmaWindow window) {
        IoEngine engine = lane.engine();
        if (engine != null && engine.arm()) {
            return true;
        }
        if (deliver(window, true)) {
            return true;
        }
        if (!shadow.isConfigured() || !locateShadow(window)) {
            // Every doorbell wakes the thread.
            return false;
        }
        for (SubmissionQueue queue : lane.submissions()) {
            shadow.setEvent(Doorbells.tailOf(queue.id), queue.tail, window);
        }
        for (CompletionQueue queue : lane.completions()) {
            if (queue.id != 0) {
                shadow.setEvent(Doorbells.headOf(queue.id), queue.head, window);
            }
        }
        // The driver writes its doorbell and then looks at the index; this looks the other way round.
        RawMemory.fullFence();
        return ready() && hasShadowNews();
    }

    @Override
    public void disarm(DmaWindow window) {
        IoEngine engine = lane.engine();
        if (engine != null) {
            engine.disarm();
            engine.looked(0);
        }
    }

    @Override
    public int inFlight() {
        IoEngine engine = lane.engine();
        return engine == null ? 0 : engine.inFlight();
    }

    @Override
    public void drain(DmaWindow window) {
        IoEngine engine = lane.engine();
        if (engine != null && engine.inFlight() != 0) {
            if (controller.discards()) {
                lane.aborts.takeBack(null, NvmeStatus.COMMAND_ABORT_REQUESTED);
            }
            engine.drain();
        }
        deliver(window, true);
    }

    @Override
    public void failed(Throwable cause) {
        LOG.log(Level.ERROR, name + ": the controller stops until it is reset", cause);
        fail();
        lane.closeEngine();
        for (SubmissionQueue queue : lane.submissions()) {
            queue.statistics.abandoned();
        }
    }

    /** After the thread has ended for good. */
    void close() {
        AdminQueue open = admin;
        admin = null;
        if (open != null) {
            open.close();
        }
    }

    private AdminQueue openAdmin() {
        AdminQueue open = admin;
        if (open == null) {
            open = new AdminQueue(controller);
            admin = open;
        }
        return open;
    }

    private long scratch() {
        return Objects.requireNonNull(scratch).address();
    }

    /** An admin command was answered at once. */
    private static void count(SubmissionQueue queue, int status, long startNs) {
        queue.statistics.started(1);
        boolean worked = status == NvmeStatus.SUCCESSFUL_COMPLETION;
        queue.statistics.completed(CommandKind.OTHER, 0, System.nanoTime() - startNs, worked);
    }

    private int complete() {
        IoEngine engine = lane.engine();
        return engine == null ? 0 : engine.complete();
    }

    private int pollAll(DmaWindow window) {
        SubmissionQueue[] queues = lane.submissions();
        int did = 0;
        int at = first < queues.length ? first : 0;
        for (int i = 0; i < queues.length; i++) {
            int took = poll(queues[at], window);
            at = at + 1 == queues.length ? 0 : at + 1;
            if (took > 0) {
                first = at;
            }
            did += took;
        }
        return did;
    }

    private int poll(SubmissionQueue queue, DmaWindow window) {
        takeDoorbells(queue, window);
        if (queue.waiting() == 0 || queue.deleting || queue.completions.room() <= 0) {
            return 0;
        }
        if (!lane.used) {
            lane.used = true;
            controller.setUp().end();
        }
        if (!queue.isLocated() && !queue.locate(window)) {
            lost = true;
            return 0;
        }
        long time = limits.waitNs();
        if (time > 0) {
            waitNs = time;
            return 0;
        }
        if (queue.isRemote()) {
            return serveSlowly(queue, window);
        }
        int taken = lane.openEngine().serve(queue, window);
        return queue.slowly ? taken + serveSlowly(queue, window) : taken;
    }

    private int pollAdmin(DmaWindow window) {
        SubmissionQueue queue = controller.queues().admin();
        if (queue == null) {
            return 0;
        }
        // First: of a controller that another has left, the driver may have consumed them already.
        int taken = postHeld(queue, window);
        if (lost) {
            return taken;
        }
        takeDoorbells(queue, window);
        taken += postHeld(queue, window);
        AdminQueue own = openAdmin();
        // One that is done has its completion before another is taken: those that are held would become ever more.
        while (queue.waiting() != 0
                && queue.completions.room() > 0
                && !own.isBusy()
                && controller.heldCompletions().isEmpty()) {
            if (!queue.isLocated() && !queue.locate(window)) {
                lost = true;
                return taken;
            }
            int served = queue.isRemote() ? serveSlowly(queue, window) : serveAdmin(queue, window);
            if (served == 0) {
                return taken;
            }
            taken += served + postHeld(queue, window);
        }
        return taken;
    }

    private int serveAdmin(SubmissionQueue queue, DmaWindow window) {
        AdminQueue own = openAdmin();
        long startNs = System.nanoTime();
        RawMemory.copy(queue.headAddress(), own.entry(), SQE_SIZE);
        queue.take();
        int status = own.execute(window, false);
        if (status == DataPointer.UNREACHABLE) {
            queue.putBack();
            return serveSlowly(queue, window);
        }
        lane.tally.adminCommands++;
        queue.inFlight--;
        if (status == AdminHandler.HELD) {
            queue.completions.reserved--;
        } else {
            count(queue, status, startNs);
            int cid = own.command().cid();
            int dw0 = own.command().result();
            controller.setUp().save(controller, new Controller.HeldCompletion(cid, dw0, status), false);
            queue.completions.post(Integer.toUnsignedLong(dw0), 0, queue.head, cid, status);
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
        long startNs = System.nanoTime();
        long entry = queue.id == 0 ? openAdmin().entry() : scratch();
        int error = window.read(queue.headIova(), entry, SQE_SIZE);
        if (error != 0) {
            return lose(error);
        }
        queue.take();
        int status = queue.id == 0
                ? openAdmin().execute(window, true)
                : lane.openEngine().serveSlowly(queue, entry, window);
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
        int cid = RawMemory.getInt(entry) >>> CID_SHIFT;
        int dw0 = 0;
        if (queue.id == 0) {
            lane.tally.adminCommands++;
            count(queue, status, startNs);
            dw0 = openAdmin().command().result();
            controller.setUp().save(controller, new Controller.HeldCompletion(cid, dw0, status), false);
        }
        error = post(queue, window, Integer.toUnsignedLong(dw0), cid, status);
        if (error != 0 && queue.id == 0) {
            // Not again: a queue that was created is there.
            queue.completions.reserved--;
            controller.complete(cid, dw0, status);
            lose(error);
            return 1;
        }
        if (error != 0) {
            queue.inFlight++;
            queue.putBack();
            return lose(error);
        }
        return 1;
    }

    /** Completions of commands that were held, as far as there is room. */
    private int postHeld(SubmissionQueue queue, DmaWindow window) {
        int posted = 0;
        while (!controller.heldCompletions().isEmpty() && queue.completions.room() > 0) {
            if (!queue.isLocated() && !queue.locate(window)) {
                lost = true;
                return posted;
            }
            if (queue.isRemote()) {
                drain(window);
            }
            controller.setUp().save(controller, null, openAdmin().isBusy());
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
            int error =
                    queue.completions.postRemote(window, scratch() + SQE_SIZE, dw0, queue.id, queue.head, cid, status);
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
        boolean shadowed = queue.id != 0 && shadow.isConfigured();
        if (shadowed && !locateShadow(window)) {
            lost = true;
            return;
        }
        int tail = doorbell(Doorbells.tailOf(queue.id), shadowed);
        if (tail != queue.tail && tail != queue.badTail) {
            boolean makesSense = queue.submit(tail);
            queue.badTail = makesSense ? -1 : tail;
            if (!makesSense) {
                controller.invalidDoorbellValue(lane);
            }
        }
        queue.pass();
        if (queue.waiting() != 0
                || (queue.id == 0 && !controller.heldCompletions().isEmpty())) {
            report(takeHead(queue.completions, shadowed));
        }
    }

    /** Returns false for a new head that makes no sense. */
    private boolean takeHead(CompletionQueue queue, boolean shadowed) {
        int head = doorbell(Doorbells.headOf(queue.id), shadowed);
        if (head == queue.head || head == queue.badHead) {
            return true;
        }
        boolean makesSense = queue.consume(head);
        queue.badHead = makesSense ? -1 : head;
        return makesSense;
    }

    private void report(boolean makesSense) {
        if (!makesSense) {
            controller.invalidDoorbellValue(lane);
        }
    }

    /** INTx stands for what was not consumed, also of a completion queue that no submission queue has any more. */
    private boolean drivePin(CompletionQueue[] queues, DmaWindow window) {
        boolean makeSense = true;
        boolean waits;
        synchronized (lane.interrupts.pin()) {
            for (CompletionQueue queue : queues) {
                if (queue.id == 0 || !shadow.isConfigured()) {
                    makeSense &= takeHead(queue, false);
                } else if (locateShadow(window)) {
                    makeSense &= takeShadowHead(queue, window);
                }
            }
            waits = lane.interrupts.drivePin(queues, lane.tally);
        }
        report(makeSense);
        return waits;
    }

    /**
     * Before the pin is asserted the driver knows that it is to ring when it has consumed something: that ends the interrupt. Each
     * round but the first has found something consumed.
     */
    private boolean takeShadowHead(CompletionQueue queue, DmaWindow window) {
        boolean makesSense = takeHead(queue, true);
        int doorbell = Doorbells.headOf(queue.id);
        while (queue.used() != 0 && !shadow.hasEvent(doorbell, queue.head)) {
            shadow.setEvent(doorbell, queue.head, window);
            RawMemory.fullFence();
            makesSense &= takeHead(queue, true);
        }
        return makesSense;
    }

    private int doorbell(int index, boolean shadowed) {
        return shadowed ? shadow.get(index) : controller.doorbells().get(index);
    }

    private boolean locateShadow(DmaWindow window) {
        return shadow.isLocated() || shadow.locate(window);
    }

    private boolean hasShadowNews() {
        for (SubmissionQueue queue : lane.submissions()) {
            int tail = shadow.get(Doorbells.tailOf(queue.id));
            if ((tail != queue.tail && tail != queue.badTail)
                    || (queue.waiting() != 0 && hasNewHead(queue.completions))) {
                return true;
            }
        }
        if (lane.interrupts.isPin()) {
            for (CompletionQueue queue : lane.completions()) {
                if (queue.id != 0 && hasNewHead(queue)) {
                    return true;
                }
            }
        }
        return false;
    }

    private boolean hasNewHead(CompletionQueue queue) {
        int head = shadow.get(Doorbells.headOf(queue.id));
        return head != queue.head && head != queue.badHead;
    }

    private boolean deliver(DmaWindow window, boolean now) {
        CompletionQueue[] queues = lane.completions();
        for (CompletionQueue queue : queues) {
            queue.markDirty(window);
        }
        if (lane.interrupts.isPin()) {
            return lane.interrupts.pinMatters(queues) && drivePin(queues, window);
        }
        lane.interrupts.deliver(queues, now, lane.tally);
        return false;
    }

    private void forgetAll() {
        lane.forget();
        SubmissionQueue adminQueue = lane.index == 0 ? controller.queues().admin() : null;
        if (adminQueue != null) {
            adminQueue.forget();
        }
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
        // What is in flight is not waited for: its completion brings the next look.
        if (did != 0 || inFlight() != 0) {
            return did;
        }
        // Cut short: whoever did that is about to take the memory away or to reset the device. With shadow doorbells
        // nobody may ring.
        if (pollsAlways || cutShort || shadow.isConfigured()) {
            return LATER;
        }
        if (!wanted) {
            // Nor with mapped ones; and memory that is mapped now shows once the window was left.
            return trapped ? 0 : LATER;
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
        lane.tally.faults++;
        controller.setUp().end();
        controller.registers().addStatus(CSTS_CFS);
    }
}
