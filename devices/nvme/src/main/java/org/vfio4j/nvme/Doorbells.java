package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.RawMemory;

/**
 * The page of doorbells (NVMe over PCIe Transport 1.0, 3.1.2), which trapped writes and users who have mapped it write, and the
 * queue thread reads. Doorbell {@code 2 n} is the tail of submission queue n, {@code 2 n + 1} the head of completion queue n.
 */
final class Doorbells implements AutoCloseable {

    /** {@link #laneOf}: a doorbell of no queue. */
    static final int NO_QUEUE = -1;

    private final int count;

    private final boolean given;
    private volatile boolean frozen;

    // Other ones only while the function is suspended and the queue threads are quiesced.
    private DoorbellPage page;
    private Optional<DoorbellPage> adopted = Optional.empty();

    /** For {@link #leave}, which must not fail. */
    private Optional<DoorbellPage> spare = Optional.empty();

    /**
     * Of those whose queue exists, the thread that serves it, and one more; of others 0. Set by the first thread while no other looks at
     * the doorbell, asked by whoever traps a write.
     */
    private final AtomicIntegerArray live;

    /** @param given memory of another controller's, owned by this: nothing is written to it before a queue begins. Empty for memory of its own */
    Doorbells(int queuePairs, Optional<Fd> given) {
        count = 2 * (queuePairs + 1);
        this.given = given.isPresent();
        live = new AtomicIntegerArray(count);
        page = given.map(DoorbellPage::take).orElseGet(DoorbellPage::create);
    }

    static int tailOf(int sqid) {
        return 2 * sqid;
    }

    static int headOf(int cqid) {
        return 2 * cqid + 1;
    }

    /** Whether it began with another controller's memory, whose users have written there all the time. */
    boolean isGiven() {
        return given;
    }

    /** The memory that users may map. */
    BarMemory memory() {
        return new BarMemory(page.fd(), 0, List.of(new BarMemory.Area(REG_DOORBELLS, DoorbellPage.PAGE_BYTES)));
    }

    /** Has what {@link #leave} needs, if the page is to be another controller's. */
    void prepareLeave() {
        if (spare.isEmpty()) {
            spare = Optional.of(DoorbellPage.create());
        }
    }

    /** The page is another controller's from now on. After {@link #prepareLeave}. */
    void leave() {
        use(spare.orElseThrow());
        spare = Optional.empty();
    }

    /**
     * Keeps another controller's page, for {@link #settle}.
     *
     * @throws org.vfio4j.sys.ErrnoException as {@link DoorbellPage#of}
     */
    void adopt(Fd other) {
        DoorbellPage opened = DoorbellPage.of(other);
        forgetAdopted();
        adopted = Optional.of(opened);
    }

    /** The controller goes on: with the page that was adopted, if one was, and what its users have written there. */
    void settle() {
        adopted.ifPresent(this::use);
        adopted = Optional.empty();
        forgetAdopted();
    }

    /** The page stays as its users have left it: another controller is to go on with it. */
    void freeze() {
        frozen = true;
    }

    /** It keeps its own page, whatever was to become of it. */
    void forgetAdopted() {
        adopted.ifPresent(DoorbellPage::close);
        adopted = Optional.empty();
        spare.ifPresent(DoorbellPage::close);
        spare = Optional.empty();
    }

    private void use(DoorbellPage other) {
        DoorbellPage old = page;
        page = other;
        old.close();
    }

    int get(int doorbell) {
        return RawMemory.getIntAcquire(at(doorbell));
    }

    void set(int doorbell, int value) {
        RawMemory.putIntRelease(at(doorbell), value);
    }

    /** The queue of a doorbell is there, on a thread. Of a new one it has been set to 0. */
    void begin(int doorbell, int lane) {
        live.set(doorbell, lane + 1);
    }

    /** The queue of a doorbell goes. */
    void end(int doorbell) {
        if (live.getAndSet(doorbell, 0) != 0 && !frozen) {
            set(doorbell, 0);
        }
    }

    /** The thread that serves a doorbell's queue, or {@link #NO_QUEUE}. For any number that is not negative. */
    int laneOf(int doorbell) {
        return doorbell < count ? live.get(doorbell) - 1 : NO_QUEUE;
    }

    /** No queue has a doorbell. */
    void reset() {
        for (int i = 0; i < count; i++) {
            end(i);
        }
    }

    @Override
    public void close() {
        forgetAdopted();
        page.close();
    }

    private long at(int doorbell) {
        return page.address() + (long) DOORBELL_SIZE * doorbell;
    }
}
