package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_DRIVER_OK;
import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueWork;
import org.vfio4j.sys.Fd;

/**
 * A queue thread's work on a virtio device: looks at each of its queues, has the device type serve what waits there, tells the
 * driver what was used, once for a batch.
 *
 * <p>A busy queue does not starve the others. Of each a pass takes a batch and no more; and since what the device type can have in
 * flight is shared, a pass begins with the queue behind the one that was served last, so that what little room there is goes round.
 *
 * <p>A queue is served in one of two ways. Fast: rings and buffers are translated and used in place, many requests in flight.
 * Slowly: one request alone, everything by {@link DmaWindow#read} and {@link DmaWindow#write}, for memory that is not mapped.
 * Since these may wait and put the window offline, nothing is in flight meanwhile and every queue is located anew afterwards.
 */
final class VirtioQueues implements QueueWork {

    private static final Logger LOG = System.getLogger(VirtioQueues.class.getName());

    /** How often a queue is looked for whose driver has notified but whose memory is not there: for about 0.1 s. */
    private static final int TRIES = 100;

    /** How many chains of one queue are served slowly before the other queues have their turn. */
    private static final int SLOW_BATCH = 16;

    private static final long LOG_EVERY_NS = 1_000_000_000;

    private final String name;
    private final VirtioRequests requests;
    private final VirtioStatus status;
    private final VirtioInterrupts interrupts;
    private final DescriptorChain slowChain;
    private final boolean pollsAlways;

    private volatile boolean masters;
    private volatile boolean notified;
    private volatile boolean suspended;
    private volatile boolean announces;
    private volatile boolean configChanged;

    // What the next pass begins with: set behind the queues that are to be served as well.
    private volatile boolean hasNews;
    private final Queue<SplitQueue> news = new ConcurrentLinkedQueue<>();

    private SplitQueue[] queues = {};
    private int first;
    private long waitNs = NOTHING;
    private boolean wanted;
    private boolean lost;
    private boolean cutShort;
    private int triesLeft = TRIES;
    private long faultCount;
    private long lastLogNs;
    private @Nullable Thread logger;

    /** @param name what the thread is called */
    VirtioQueues(
            String name, VirtioDevice device, VirtioStatus status, VirtioInterrupts interrupts, boolean pollsAlways) {
        this.name = name;
        requests = device.requests();
        this.status = status;
        this.interrupts = interrupts;
        this.pollsAlways = pollsAlways;
        slowChain = new DescriptorChain(device.maxQueueSize());
    }

    /** Whether the function may do DMA at all. From the function's thread. */
    void setBusMaster(boolean enabled) {
        masters = enabled;
    }

    /** Whether nothing is to be done, however much there is. From the function's thread. */
    void setSuspended(boolean stop) {
        suspended = stop;
    }

    /**
     * Has the next pass interrupt for every queue, whether there is news or not, which a driver must bear: one that was on its way
     * when the queues were taken from another function may have gone nowhere.
     */
    void announce() {
        announces = true;
        hasNews = true;
    }

    /**
     * Has the next pass tell the driver that the configuration has changed. Whoever changed it has no window, and so nothing that keeps
     * the interrupt's descriptor open. From any thread.
     */
    void announceConfig() {
        configChanged = true;
        hasNews = true;
    }

    boolean isConfigUntold() {
        return configChanged;
    }

    /** The driver says that there is something to do. From any thread. */
    void driverNotified() {
        notified = true;
    }

    /** Has the next pass serve one more queue. From the function's thread. */
    void add(SplitQueue queue) {
        news.add(queue);
        hasNews = true;
    }

    /** Other queues from now on; only while this work is quiesced. */
    void use(SplitQueue[] others) {
        news.clear();
        configChanged = false;
        queues = others;
        first = 0;
        triesLeft = TRIES;
    }

    SplitQueue[] queues() {
        return queues;
    }

    /** How often the device has asked for a reset. */
    long faultCount() {
        return faultCount;
    }

    @Override
    public boolean ready() {
        return masters && !suspended && status.isLive();
    }

    @Override
    public void begin(Fd eventFd) {
        requests.begin(eventFd);
    }

    @Override
    public void end() {
        requests.end();
    }

    @Override
    public void entered(DmaWindow window) {
        forgetAll();
    }

    @Override
    public int poll(DmaWindow window) {
        if (notified) {
            notified = false;
            wanted = true;
        }
        if (hasNews) {
            hasNews = false;
            takeNews();
        }
        int did = requests.complete();
        lost = false;
        cutShort = false;
        waitNs = NOTHING;
        did += pollAll(window);
        did += requests.complete();
        publishAll(window);
        if (lost) {
            return searchOn(did);
        }
        wanted = false;
        triesLeft = TRIES;
        return did;
    }

    private void takeNews() {
        List<SplitQueue> all = new ArrayList<>(List.of(queues));
        for (SplitQueue queue = news.poll(); queue != null; queue = news.poll()) {
            all.add(queue);
        }
        queues = all.toArray(SplitQueue[]::new);
        if (announces) {
            announces = false;
            for (SplitQueue queue : queues) {
                interrupts.queue(queue.index());
            }
        }
        if (configChanged) {
            configChanged = false;
            interrupts.config();
        }
    }

    @Override
    public long waitNs() {
        return waitNs;
    }

    @Override
    public boolean arm(DmaWindow window) {
        if (requests.arm()) {
            return true;
        }
        // What waits in the rings already is not news.
        if (requests.isFull() || waitNs != NOTHING) {
            return false;
        }
        boolean news = false;
        for (SplitQueue queue : queues) {
            if (queue.isLocated() || queue.locate(window)) {
                if (queue.isCopied()) {
                    drain(window);
                }
                news |= queue.arm(window);
                afterCopied(queue);
            }
        }
        return news && ready();
    }

    @Override
    public void disarm(DmaWindow window) {
        requests.disarm();
        for (SplitQueue queue : queues) {
            if (queue.isLocated() || queue.locate(window)) {
                queue.disarm(window);
            }
        }
    }

    @Override
    public int inFlight() {
        return requests.inFlight();
    }

    @Override
    public void drain(DmaWindow window) {
        if (requests.inFlight() != 0) {
            requests.drain();
        }
        publishAll(window);
    }

    @Override
    public void failed(Throwable cause) {
        LOG.log(Level.ERROR, name + ": the device stops until it is reset", cause);
        needReset();
        requests.abandon();
        for (SplitQueue queue : queues) {
            queue.statistics().abandoned();
        }
    }

    private int pollAll(DmaWindow window) {
        int did = 0;
        int at = first;
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

    private int poll(SplitQueue queue, DmaWindow window) {
        if (!queue.isLocated() && !queue.locate(window)) {
            lost = true;
            return 0;
        }
        if (queue.isCopied()) {
            return pollCopied(queue, window);
        }
        int waiting = queue.available(window);
        if (waiting == 0 || (waiting > 0 && mustWait())) {
            return 0;
        }
        int taken = waiting > 0 ? requests.serve(queue, waiting, window) : 0;
        if (queue.isBroken()) {
            broken(queue);
        } else if (queue.wantsSlowly()) {
            taken += serveSlowly(queue, window);
        }
        return taken;
    }

    private int pollCopied(SplitQueue queue, DmaWindow window) {
        drain(window);
        int waiting = queue.available(window);
        afterCopied(queue);
        if (waiting == SplitQueue.UNREACHABLE) {
            lost = true;
            return 0;
        }
        if (waiting == SplitQueue.BROKEN) {
            broken(queue);
            return 0;
        }
        int most = Math.min(waiting, SLOW_BATCH);
        int done = 0;
        while (done < most && !mustWait() && serveSlowly(queue, window) == 1) {
            done++;
        }
        return done;
    }

    /** Whether a rate lets nothing be taken now. */
    private boolean mustWait() {
        long time = requests.waitNs();
        if (time == 0) {
            return false;
        }
        waitNs = time;
        return true;
    }

    /** Serves one chain alone. Returns 1, or 0 when that did not work out. */
    private int serveSlowly(SplitQueue queue, DmaWindow window) {
        drain(window);
        // What the driver mapped since the window was entered is seen only now.
        window.leave();
        window.enter();
        forgetAll();
        if (!queue.locate(window)) {
            lost = true;
            return 0;
        }
        long taking = queue.position();
        long written = requests.serveSlowly(queue, slowChain, window);
        forgetAll();
        if (queue.isBroken()) {
            broken(queue);
            return 0;
        }
        cutShort |= written == VirtioRequests.CUT_SHORT;
        // Carrying it out twice does no harm: nobody has been told that it is done.
        if (written == VirtioRequests.CUT_SHORT || !queue.locate(window)) {
            queue.rewind(taking);
            lost = true;
            return 0;
        }
        queue.used(slowChain.head(), (int) written);
        publish(queue, window);
        return 1;
    }

    private void publishAll(DmaWindow window) {
        for (SplitQueue queue : queues) {
            if (queue.isLocated() && (!queue.isCopied() || requests.inFlight() == 0)) {
                publish(queue, window);
            }
        }
    }

    private void publish(SplitQueue queue, DmaWindow window) {
        if (queue.publish(window)) {
            queue.statistics().interrupted();
            interrupts.queue(queue.index());
        }
    }

    private void forgetAll() {
        for (SplitQueue queue : queues) {
            queue.forget();
        }
    }

    /** An access to rings that are not mapped may have put the window offline for a while. */
    private void afterCopied(SplitQueue queue) {
        if (queue.isCopied()) {
            forgetAll();
        }
    }

    /**
     * A queue's memory is not there. While nobody has notified, the driver may still be about to map it: nothing to do. A
     * driver that did notify gets a while, in which memory that is being mapped anew comes back.
     */
    private int searchOn(int did) {
        if (did != 0) {
            return did;
        }
        // Cut short: whoever did that is about to take the memory away or to reset the device.
        if (pollsAlways || cutShort) {
            return LATER;
        }
        if (!wanted) {
            return 0;
        }
        if (--triesLeft > 0) {
            return LATER;
        }
        faulted("queue memory that is not mapped");
        return 0;
    }

    private void broken(SplitQueue queue) {
        faulted("queue " + queue.index() + ": " + queue.fault());
    }

    /**
     * A driver can do this as often as it likes: the log has one of many, and the counter all. Not on this thread, for which a
     * reset waits: the first line of a process takes tens of milliseconds, and a log can be stuck.
     */
    private void faulted(String what) {
        needReset();
        long now = System.nanoTime();
        Thread last = logger;
        boolean isFree = last == null || !last.isAlive();
        if (isFree && (faultCount == 1 || now - lastLogNs >= LOG_EVERY_NS)) {
            lastLogNs = now;
            logger = Thread.ofPlatform()
                    .daemon()
                    .name(name + "-log")
                    .start(() -> LOG.log(Level.WARNING, "{0}: the driver must reset the device: {1}", name, what));
        }
    }

    private void needReset() {
        wanted = false;
        triesLeft = TRIES;
        faultCount++;
        int news = status.add(VIRTIO_CONFIG_S_NEEDS_RESET);
        if (news != 0 && (status.get() & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
            interrupts.config();
        }
    }
}
