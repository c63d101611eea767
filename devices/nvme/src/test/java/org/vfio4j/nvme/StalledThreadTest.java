package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;
import static org.vfio4j.nvmedriver.NvmeDriver.await;

import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.testing.Fault;
import org.vfio4j.block.testing.FaultyBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.testkit.GuestMemory;

/**
 * Two queue threads of which the second, that of queues 2 and 4, has a command in storage that stands still: what the real admin commands
 * do meanwhile.
 */
@Timeout(120)
class StalledThreadTest {

    private static final int PAIRS = 4;
    private static final int ENTRIES = 16;
    private static final int STALLED_LBA = 0;
    private static final int LBA = 4096;
    private static final int FAST_MS = 10_000;
    private static final int FORMAT_NVM = 0x80;
    private static final int NAMESPACE_MANAGEMENT = 0x0d;
    private static final int SQ_DELETION = 0x008;
    private static final int INVALID_QUEUE_IDENTIFIER = 0x101;
    private static final int INVALID_QUEUE_DELETION = 0x10c;
    private static final int COMPLETION_QUEUE_INVALID = 0x100;

    private final FaultyBackend storage = new FaultyBackend(new MemoryBackend(8 << 20));
    private final GuestMemory memory = new GuestMemory(16 << 20);
    private final Nvme nvme = Nvme.builder(NvmeIdentity.of("STALLS-1"))
            .name("stalls")
            .namespace(new NamespaceOptions(storage, 512, Optional.empty()))
            .queuePairs(PAIRS)
            .threads(2)
            .build();
    private final NvmeDriver driver = new NvmeDriver(nvme.function(), memory);
    private final long page = page();
    private NvmeQueue admin = driver.queue(0, 2, false);
    private NvmeQueue first = admin;
    private NvmeQueue second = admin;

    @BeforeEach
    void start() {
        nvme.function().attachDma(memory.space());
        admin = driver.enable(32);
        first = driver.create(admin, 1, ENTRIES, false);
        second = driver.create(admin, 2, ENTRIES, false);
    }

    @AfterEach
    void close() {
        storage.release();
        nvme.function().detachDma();
        nvme.close();
        memory.close();
        storage.close();
    }

    @Test
    void queuesComeAndGoAndWorkOnBothThreads() {
        int cid = stall(WRITE);
        long begin = System.nanoTime();
        for (int round = 0; round < 20; round++) {
            for (int id = 3; id <= PAIRS; id++) {
                NvmeQueue queue = driver.create(admin, id, ENTRIES, false);
                assertMoves(queue, round);
                assertMoves(first, round);
                assertThat(delete(DELETE_SQ, id)).isZero();
                assertThat(delete(DELETE_CQ, id)).isZero();
            }
        }
        assertFast(begin);
        assertThat(second.isDone()).isFalse();
        storage.release();
        assertDone(cid);
    }

    @Test
    void otherAdminCommandsAreAnswered() {
        int cid = stall(WRITE);
        long begin = System.nanoTime();
        assertThat(setFeatures(0x08, 0x0203)).as("Interrupt Coalescing").isZero();
        assertThat(setFeatures(0x09, 2 | (1 << 16)))
                .as("Interrupt Vector Configuration")
                .isZero();
        assertThat(setFeatures(0x0b, 0x100))
                .as("Asynchronous Event Configuration")
                .isZero();
        assertThat(setFeatures(0x07, 0x0001_0001))
                .as("Number of Queues, behind the first queue")
                .isEqualTo(0x00c);
        assertThat(admin.run(new NvmeCommand(NAMESPACE_MANAGEMENT).nsid(1).cdw(10, 1))
                        .code())
                .isNotZero();
        assertThat(admin.run(new NvmeCommand(0x7f)).code()).isEqualTo(1);
        assertThat(admin.run(new NvmeCommand(IDENTIFY).prp(page()).cdw(10, 1)).code())
                .isZero();
        driver.ring(2 * PAIRS, 1);
        assertMoves(first, 1);
        assertFast(begin);
        storage.release();
        assertDone(cid);
    }

    @Test
    void theDeletionOfItsQueueWaitsAndNothingElse() {
        int cid = stall(WRITE);
        int deletion = admin.submit(new NvmeCommand(DELETE_SQ).cdw(10, 2));
        long begin = System.nanoTime();
        assertThat(delete(DELETE_SQ, 2)).as("again").isEqualTo(INVALID_QUEUE_IDENTIFIER);
        int completions = admin.submit(new NvmeCommand(DELETE_CQ).cdw(10, 2));
        assertThat(delete(DELETE_CQ, 2)).as("again").isEqualTo(INVALID_QUEUE_IDENTIFIER);
        assertThat(admin.run(NvmeDriver.createSubmissions(second)).code()).isEqualTo(INVALID_QUEUE_IDENTIFIER);
        assertMoves(driver.create(admin, 4, ENTRIES, false), 1);
        assertFast(begin);
        storage.release();
        NvmeCompletion deleted = admin.await();
        assertThat(deleted.cid()).isEqualTo(deletion);
        assertThat(deleted.code()).isZero();
        deleted = admin.await();
        assertThat(deleted.cid()).isEqualTo(completions);
        assertThat(deleted.code()).isZero();
        assertDone(cid);
        assertMoves(driver.create(admin, 2, ENTRIES, false), 2);
    }

    /** Both sent before the first is answered; and answered, or both not taken, when the controller is suspended. */
    @Test
    void aQueueAndItsCompletionQueueAreDeletedInOneGo() {
        FunctionState state = nvme.function().platform(FunctionState.class).orElseThrow();
        for (int i = 0; i < 100; i++) {
            NvmeQueue queue = driver.create(admin, 4, ENTRIES, false);
            admin.put(new NvmeCommand(DELETE_SQ).cdw(10, queue.id()));
            admin.put(new NvmeCommand(DELETE_CQ).cdw(10, queue.id()));
            admin.ring();
            state.suspend();
            NvmeState saved = NvmeState.parse(state.save(), PAIRS);
            int waiting = saved.submissions().getFirst().head() == admin.tail() ? 0 : 1;
            assertThat(saved.completions()).hasSize(3 + waiting);
            state.resume();
            assertThat(admin.await().code()).isZero();
            assertThat(admin.await().code()).isZero();
        }
    }

    @Test
    void aCompletionQueueThatAnotherQueueUsesStays() {
        stall(WRITE);
        NvmeQueue other = driver.queue(3, ENTRIES, false);
        NvmeCommand shares = NvmeDriver.createSubmissions(other).cdw(11, 1 | (2 << 16));
        assertThat(admin.run(shares).code()).isZero();
        admin.submit(new NvmeCommand(DELETE_SQ).cdw(10, 2));
        assertThat(delete(DELETE_CQ, 2)).isEqualTo(INVALID_QUEUE_DELETION);
        storage.release();
        assertThat(admin.await().code()).isZero();
        assertThat(delete(DELETE_CQ, 2)).isEqualTo(INVALID_QUEUE_DELETION);
    }

    @Test
    void whatItsDeletionTakesBackEnds() {
        storage.add(new Fault.Stalls(0, 1 << 20));
        int cid = second.submit(NvmeCommand.io(READ, 1, STALLED_LBA, 1).prp(page));
        await("a stalled read", () -> storage.stalled() == 1);
        assertThat(delete(DELETE_SQ, 2)).isZero();
        NvmeCompletion done = second.await();
        assertThat(done.cid()).isEqualTo(cid);
        assertThat(done.code()).isEqualTo(SQ_DELETION);
        assertThat(delete(DELETE_CQ, 2)).isZero();
        NvmeCommand orphan = NvmeDriver.createSubmissions(second);
        assertThat(admin.run(orphan).code()).isEqualTo(COMPLETION_QUEUE_INVALID);
    }

    /** They change what a write under way depends on. */
    @Test
    void aFormatWaitsForWhatIsUnderWay() throws InterruptedException {
        int cid = stall(WRITE);
        int format = admin.submit(new NvmeCommand(FORMAT_NVM).nsid(1));
        Thread.sleep(100);
        assertThat(admin.isDone()).isFalse();
        storage.release();
        assertThat(second.await().cid()).isEqualTo(cid);
        NvmeCompletion formatted = admin.await();
        assertThat(formatted.cid()).isEqualTo(format);
        assertThat(formatted.code()).isZero();
        assertThat(first.run(NvmeCommand.io(READ, 1, STALLED_LBA, 8).prp(page)).code())
                .isZero();
        assertThat(memory.get(page, 4096)).containsOnly(0);
    }

    /** What the threads have yet to hear of goes with all queues. */
    @Test
    void aResetDropsWhatIsPending() {
        stall(READ);
        admin.submit(new NvmeCommand(DELETE_SQ).cdw(10, 2));
        driver.write(NvmeDriver.CC, 4, 0);
        storage.release();
        await("CSTS.RDY 0", () -> driver.status() == 0);
        start();
        assertMoves(first, 1);
        assertMoves(second, 2);
    }

    /** A command of queue 2 in storage that stands still. */
    private int stall(int opcode) {
        memory.fill(page, 4096, 0x5c);
        storage.add(new Fault.Sticks(0, 1 << 20));
        int cid = second.submit(NvmeCommand.io(opcode, 1, STALLED_LBA, 8).prp(page));
        await("a stalled command", () -> storage.stalled() == 1);
        return cid;
    }

    /** The stalled write is done, and there. */
    private void assertDone(int cid) {
        NvmeCompletion done = second.await();
        assertThat(done.cid()).isEqualTo(cid);
        assertThat(done.code()).isZero();
        memory.fill(page, 4096, 0);
        assertThat(first.run(NvmeCommand.io(READ, 1, STALLED_LBA, 8).prp(page)).code())
                .isZero();
        assertThat(memory.get(page, 4096)).containsOnly(0x5c);
    }

    private void assertMoves(NvmeQueue queue, int round) {
        long own = page();
        int lba = LBA + 8 * queue.id();
        memory.fill(own, 4096, round + queue.id());
        assertThat(queue.run(NvmeCommand.io(WRITE, 1, lba, 8).prp(own)).code()).isZero();
        memory.fill(own, 4096, 0xff);
        assertThat(queue.run(NvmeCommand.io(READ, 1, lba, 8).prp(own)).code()).isZero();
        assertThat(memory.get(own, 4096)).containsOnly(round + queue.id());
    }

    private int delete(int opcode, int id) {
        return admin.run(new NvmeCommand(opcode).cdw(10, id)).code();
    }

    private int setFeatures(int fid, int value) {
        return admin.run(new NvmeCommand(SET_FEATURES).cdw(10, fid).cdw(11, value))
                .code();
    }

    private long page() {
        return (memory.mapped(8192) + 4095) & -4096L;
    }

    private static void assertFast(long beginNs) {
        assertThat((System.nanoTime() - beginNs) / 1_000_000)
                .as("ms that all of it took")
                .isLessThan(FAST_MS);
    }
}
