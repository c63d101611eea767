package org.vfio4j.nvme;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.QueueWork;
import org.vfio4j.sys.Fd;

/**
 * The queue thread's work on a controller: looks at each doorbell, has the commands behind it carried out, and interrupts once for a
 * batch of completions.
 *
 * <p>A queue is served in one of two ways. Fast: entries and data are translated and used in place, many commands in flight. Slowly:
 * as {@link RemoteQueues} does.
 */
final class NvmeWork implements QueueWork {

    /** A driver that does not ring is looked after by polling, for ever. */
    static final long NEVER = Long.MAX_VALUE;

    private static final Logger LOG = System.getLogger(NvmeWork.class.getName());

    /** How long one that doorbells do not wake sleeps at most. */
    private static final long MAPPED_WAIT_NS = 1_000_000;

    private final String name;
    private final Lane lane;
    private final Controller controller;
    private final DeviceLimits limits;
    private final DoorbellReader doorbells;
    private final Delivery delivery;
    private final RingSearch search;
    private final RemoteQueues remote;
    private final @Nullable AdminWork admin;
    private final boolean trapped;
    private final long napAfterNs;

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
        limits = controller.limits();
        doorbells = new DoorbellReader(lane);
        delivery = new Delivery(lane, doorbells);
        search = new RingSearch(name, lane, pollsAlways, trapped);
        remote = new RemoteQueues(lane, search, delivery);
        admin = lane.index == 0 ? new AdminWork(lane, search, doorbells, delivery, remote) : null;
        this.trapped = trapped;
        this.napAfterNs = napAfterNs;
    }

    /** A doorbell was rung in a way that was seen. From any thread. */
    void doorbellRung() {
        search.doorbellRung();
    }

    @Override
    public boolean ready() {
        return controller.isRunning() && lane.isWanted();
    }

    @Override
    public void begin(Fd eventFd) {
        lane.use(eventFd);
        remote.begin();
    }

    @Override
    public void end() {
        lane.use(null);
        remote.end();
    }

    @Override
    public void entered(DmaWindow window) {
        lane.forget();
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
        search.begin();
        waitNs = NOTHING;
        int did = complete();
        if (admin != null) {
            did += admin.poll(window);
        }
        did += pollAll(window);
        // Behind what could be taken. What the storage gives back is completed at once.
        did += lane.carryOut(window);
        did += complete();
        lane.finishDeletions();
        delivery.deliver(window, false);
        if (search.isLost()) {
            return search.goOn(did, inFlight());
        }
        search.end();
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
        if (delivery.deliver(window, true)) {
            return true;
        }
        // Without shadow doorbells every doorbell wakes the thread.
        return doorbells.askForRings(window) && ready() && doorbells.hasShadowNews();
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
        delivery.drain(window);
    }

    @Override
    public void failed(Throwable cause) {
        LOG.log(Level.ERROR, name + ": the controller stops until it is reset", cause);
        search.end();
        controller.fatal(lane);
        lane.closeEngine();
        for (SubmissionQueue queue : lane.submissions()) {
            queue.statistics.abandoned();
        }
    }

    /** After the thread has ended for good. */
    void close() {
        if (admin != null) {
            admin.close();
        }
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
        if (!doorbells.take(queue, window)) {
            search.lose();
        }
        if (queue.waiting() == 0 || queue.deleting || queue.completions.room() <= 0) {
            return 0;
        }
        if (!lane.used) {
            lane.used = true;
            controller.setUp().end();
        }
        if (!queue.isLocated() && !queue.locate(window)) {
            search.lose();
            return 0;
        }
        long time = limits.waitNs();
        if (time > 0) {
            waitNs = time;
            return 0;
        }
        if (queue.isRemote()) {
            return remote.serve(queue, window);
        }
        int taken = lane.openEngine().serve(queue, window);
        return queue.slowly ? taken + remote.serve(queue, window) : taken;
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
}
