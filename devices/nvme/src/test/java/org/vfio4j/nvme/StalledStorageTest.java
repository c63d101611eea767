package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;
import static org.vfio4j.nvmedriver.NvmeDriver.AQA;
import static org.vfio4j.nvmedriver.NvmeDriver.CC;
import static org.vfio4j.nvmedriver.NvmeDriver.CSTS_RDY;
import static org.vfio4j.nvmedriver.NvmeDriver.await;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.testing.Fault;
import org.vfio4j.block.testing.FaultyBackend;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.RawMemory;

/**
 * Storage that does not answer for as long as it likes: Abort (NVM Express Base 2.0, 5.1), the deletion of a queue (5.6), a controller
 * reset (3.7.2), and those who have nothing to do with it.
 */
class StalledStorageTest {

    private static final int ABORT_REQUESTED = 0x007;
    private static final int SQ_DELETION = 0x008;
    private static final int LIMIT_EXCEEDED = 0x103;
    private static final byte OLD = 0x11;
    private static final byte STORED = 0x5c;

    private final FaultyBackend storage = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
    private final MemoryBackend healthy = new MemoryBackend(NvmeFixture.DISK_BYTES);
    private final NvmeFixture fixture = new NvmeFixture(storage, builder -> builder);
    private long page;

    @AfterEach
    void close() {
        storage.release();
        fixture.close();
        healthy.close();
    }

    @Test
    void aCommandThatTheStorageGivesBackIsAborted() {
        start();
        storage.add(new Fault.Stalls(0, 1 << 20));
        int cid = read(0);
        NvmeCompletion abort = abort(1, cid);
        assertThat(abort.dw0()).isZero();
        assertThat(fixture.io.isDone()).as("completed before its Abort").isTrue();
        assertAborted(fixture.io.await(), cid);
        storage.release();
        assertThat(fixture.io(READ, 1, 1, fixture.pages(1), 0).code()).isZero();
        assertUntouched();
    }

    @Test
    void aCommandThatTheStorageKeepsIsNotAbortedAndGoesOn() {
        start();
        storage.add(new Fault.Sticks(0, 1 << 20));
        int cid = read(0);
        assertThat(abort(1, cid).dw0()).isEqualTo(1);
        assertThat(abort(1, cid).dw0()).isEqualTo(1);
        assertThat(fixture.io.isDone()).isFalse();
        assertUntouched();
        storage.release();
        NvmeCompletion done = fixture.io.await();
        assertThat(done.cid()).isEqualTo(cid);
        assertThat(done.code()).isZero();
        assertThat(fixture.memory.get(page, 512)).containsOnly(STORED);
    }

    @Test
    void aCommandOfSeveralStepsEndsBehindTheOneThatTheStorageKeeps() {
        start();
        long ranges = fixture.pages(1);
        range(ranges, 0, 1, 0);
        range(ranges, 1, 1, 8);
        storage.add(new Fault.Sticks(0, 512));
        storage.record();
        int cid = fixture.io.submit(
                new NvmeCommand(DSM).nsid(1).prp(ranges).cdw(10, 1).cdw(11, 4));
        await("a stalled discard", () -> storage.stalled() == 1);
        assertThat(abort(1, cid).dw0()).isEqualTo(1);
        storage.release();
        assertAborted(fixture.io.await(), cid);
        assertThat(storage.seen()).containsExactly(0L);
    }

    /** A limit of one byte in a second holds them back, after the first. */
    @Test
    void commandsThatWereNotTakenAreAbortedAndNeverCarriedOut() {
        start();
        fixture.nvme.setLimits(0, 1);
        storage.record();
        List<Integer> cids = IntStream.range(0, 5)
                .mapToObj(i -> fixture.io.put(NvmeCommand.io(READ, 1, i, 1).prp(page)))
                .toList();
        fixture.io.ring();
        assertThat(fixture.io.await().cid()).isEqualTo(cids.get(0));
        for (int i : new int[] {3, 1, 4}) {
            assertThat(abort(1, cids.get(i)).dw0()).isZero();
            assertThat(fixture.io.isDone()).isTrue();
            assertAborted(fixture.io.await(), cids.get(i));
        }
        assertThat(abort(1, cids.get(3)).dw0()).as("aborted twice").isEqualTo(1);
        fixture.nvme.setLimits(0, 0);
        NvmeCompletion last = fixture.io.await();
        assertThat(last.cid()).isEqualTo(cids.get(2));
        assertThat(last.code()).isZero();
        assertThat(last.sqhd()).as("room for the driver").isEqualTo(fixture.io.tail());
        assertThat(fixture.io(READ, 9, 1, page, 0).code()).isZero();
        assertThat(storage.seen()).containsExactly(0L, 1024L, 9 * 512L);
    }

    @Test
    void aQueueWhoseCommandsAreAllAbortedHasRoom() {
        start();
        fixture.nvme.setLimits(0, 1);
        int first = fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(page));
        assertThat(fixture.io.await().cid()).isEqualTo(first);
        for (int round = 0; round < 3; round++) {
            List<Integer> cids = IntStream.range(0, NvmeFixture.QUEUE_ENTRIES - 1)
                    .mapToObj(i -> fixture.io.put(NvmeCommand.io(READ, 1, 0, 1).prp(page)))
                    .toList();
            fixture.io.ring();
            int sqhd = 0;
            // From behind: the head stays where it is until the last.
            for (int i = cids.size() - 1; i >= 0; i--) {
                assertThat(abort(1, cids.get(i)).dw0()).isZero();
                sqhd = fixture.io.await().sqhd();
            }
            assertThat(sqhd).isEqualTo(fixture.io.tail());
        }
    }

    @Test
    void whatIsNotThereIsNotAborted() {
        start();
        int done = fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(page));
        fixture.io.await();
        assertThat(abort(1, done).dw0()).isEqualTo(1);
        assertThat(abort(3, 0).dw0()).isEqualTo(1);
        assertThat(abort(0xffff, 0).dw0()).isEqualTo(1);
    }

    @Test
    void moreAbortsAtATimeThanTheLimitAreRefused() {
        start();
        for (int i = 0; i < NvmeLimits.MAX_ABORTS + 1; i++) {
            fixture.admin.put(new NvmeCommand(ABORT).cdw(10, 1 | (i << 16)));
        }
        fixture.admin.ring();
        int refused = 0;
        for (int i = 0; i < NvmeLimits.MAX_ABORTS + 1; i++) {
            NvmeCompletion answer = fixture.admin.await();
            refused += answer.code() == LIMIT_EXCEEDED ? 1 : 0;
            assertThat(answer.code()).isIn(0, LIMIT_EXCEEDED);
        }
        assertThat(refused).isEqualTo(1);
        assertThat(abort(1, 0).code()).isZero();
    }

    @Test
    void anotherThreadsCommandIsAborted() {
        FaultyBackend own = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
        try (NvmeFixture shared = new NvmeFixture(own, builder -> builder.threads(2)).start()) {
            NvmeQueue second = shared.driver.create(shared.admin, 2, 16, false);
            own.add(new Fault.Stalls(0, 1 << 20));
            int cid = second.submit(NvmeCommand.io(READ, 1, 0, 1).prp(shared.pages(1)));
            await("a stalled read", () -> own.stalled() == 1);
            NvmeCompletion abort = shared.admin.run(new NvmeCommand(ABORT).cdw(10, 2 | (cid << 16)));
            assertThat(abort.dw0()).isZero();
            assertThat(second.isDone()).isTrue();
            assertAborted(second.await(), cid);
        }
    }

    @Test
    void aDeletedQueueIsGoneWhenTheStorageHasGivenItsCommandsBack() {
        start();
        storage.add(new Fault.Stalls(0, 1 << 20));
        int cid = read(0);
        assertThat(fixture.admin.run(new NvmeCommand(DELETE_SQ).cdw(10, 1)).code())
                .isZero();
        assertThat(storage.stalled()).isZero();
        NvmeCompletion deleted = fixture.io.await();
        assertThat(deleted.cid()).isEqualTo(cid);
        assertThat(deleted.code()).isEqualTo(SQ_DELETION);
        storage.release();
        assertUntouched();
    }

    /** All but the deletion go on: another queue, another namespace, the admin queue, another controller. */
    @Test
    void aDeletionThatWaitsForStorageHoldsUpNobodyElse() {
        fixture.handler.namespaces.add(new PlainNamespace(healthy, 9));
        start();
        NvmeQueue second = fixture.driver.create(fixture.admin, 2, 16, false);
        long own = fixture.pages(1);
        storage.add(new Fault.Sticks(0, 1 << 20));
        int cid = read(0);
        int deletion = fixture.admin.submit(new NvmeCommand(DELETE_SQ).cdw(10, 1));
        try (NvmeFixture neighbour = new NvmeFixture().start()) {
            for (int i = 0; i < 50; i++) {
                assertThat(second.run(NvmeCommand.io(READ, 2, i, 1).prp(own)).code())
                        .isZero();
                assertThat(second.run(NvmeCommand.io(READ, 1, 4096 + i, 1).prp(own))
                                .code())
                        .as("what does not stall of the same storage")
                        .isZero();
                assertThat(fixture.admin
                                .run(new NvmeCommand(IDENTIFY).prp(own).cdw(10, i))
                                .code())
                        .isZero();
                assertThat(neighbour
                                .io(READ, i, 1, neighbour.pages(1) & -4096L, 0)
                                .code())
                        .isZero();
            }
        }
        assertThat(fixture.io.isDone()).isFalse();
        assertUntouched();
        storage.release();
        assertThat(fixture.admin.await().cid()).isEqualTo(deletion);
        assertThat(fixture.io.await().cid()).isEqualTo(cid);
    }

    /** Of these one is under way at a time, and the next waits in its queue. */
    @Test
    void aCommandOfManyStepsHoldsUpItsLikeAlone() {
        fixture.handler.namespaces.add(new PlainNamespace(healthy, 9));
        start();
        NvmeQueue second = fixture.driver.create(fixture.admin, 2, 16, false);
        NvmeQueue third = fixture.driver.create(fixture.admin, 3, 16, false);
        long own = fixture.pages(1);
        storage.add(new Fault.Sticks(0, 1 << 20));
        int cid = fixture.io.submit(NvmeCommand.io(COMPARE, 1, 0, 8).prp(page));
        await("a stalled compare", () -> storage.stalled() == 1);
        int next = second.submit(NvmeCommand.io(VERIFY, 2, 0, 8));
        for (int i = 0; i < 50; i++) {
            assertThat(third.run(NvmeCommand.io(READ, 2, i, 1).prp(own)).code()).isZero();
        }
        assertThat(abort(1, cid).dw0()).isEqualTo(1);
        assertThat(second.isDone()).isFalse();
        storage.release();
        NvmeCompletion compared = fixture.io.await();
        assertThat(compared.cid()).isEqualTo(cid);
        assertThat(compared.code()).as("what the page held at first").isEqualTo(0x285);
        assertThat(second.await().cid()).isEqualTo(next);
    }

    @Test
    void aCommandOfManyStepsDoesNotWaitForOthers() {
        fixture.handler.namespaces.add(new PlainNamespace(healthy, 9));
        start();
        storage.add(new Fault.Sticks(0, 1 << 20));
        read(0);
        NvmeQueue second = fixture.driver.create(fixture.admin, 2, 16, false);
        assertThat(second.run(NvmeCommand.io(VERIFY, 2, 0, 8)).code()).isZero();
        assertThat(second.run(NvmeCommand.io(COMPARE, 2, 0, 8).prp(fixture.pages(1)))
                        .code())
                .isIn(0, 0x285);
    }

    @Test
    void aCommandOfManyStepsIsAborted() {
        start();
        int blocks = 2 * NvmeLimits.MAX_TRANSFER_BYTES / NvmeFixture.BLOCK;
        storage.add(new Fault.Stalls(NvmeLimits.MAX_TRANSFER_BYTES, 512));
        storage.record();
        int cid = fixture.io.submit(NvmeCommand.io(VERIFY, 1, 0, blocks));
        await("a stalled verify", () -> storage.stalled() == 1);
        assertThat(abort(1, cid).dw0()).isZero();
        assertAborted(fixture.io.await(), cid);
        assertThat(storage.seen()).containsExactly(0L, (long) NvmeLimits.MAX_TRANSFER_BYTES);
        assertThat(fixture.io.run(NvmeCommand.io(VERIFY, 1, 0, 8)).code()).isZero();
    }

    /** RDY says whose the driver's memory is: the controller's as long as it is 1, and not for a moment longer. */
    @Test
    void aResetIsNotOverWhileTheStorageMayWriteToTheDriversMemory() throws InterruptedException {
        start();
        storage.add(new Fault.Sticks(0, 1 << 20));
        read(0);
        long begin = System.nanoTime();
        fixture.driver.write(CC, 4, 0);
        assertThat(System.nanoTime() - begin)
                .as("a register's write does not wait for storage")
                .isLessThan(5_000_000_000L);
        Thread.sleep(50);
        assertThat(fixture.driver.status()).isEqualTo(CSTS_RDY);
        assertUntouched();
        storage.release();
        await("CSTS.RDY 0", () -> fixture.driver.status() == 0);
        long reused = page;
        fixture.memory.fill(reused, 4096, 0x77);
        start();
        for (int i = 0; i < 100; i++) {
            assertThat(fixture.io(READ, i, 1, page, 0).code()).isZero();
        }
        assertThat(fixture.memory.get(reused, 4096)).containsOnly(0x77);
    }

    @Test
    void aResetTakesBackWhatTheStorageGivesBack() {
        start();
        storage.add(new Fault.Stalls(0, 1 << 20));
        long before = page;
        read(0);
        fixture.driver.disable();
        assertThat(storage.stalled()).isZero();
        storage.release();
        start();
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
        assertThat(fixture.memory.get(before, 512)).containsOnly(OLD);
    }

    @Test
    void aResetOfTheFunctionTakesBackAsWell() {
        start();
        storage.add(new Fault.Stalls(0, 1 << 20));
        read(0);
        fixture.nvme.function().reset();
        assertThat(storage.stalled()).isZero();
        storage.release();
        start();
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
    }

    /** Its register's write is over when PCI Express says, and RDY goes on to say whose the driver's memory is. */
    @Test
    void aFunctionLevelResetDoesNotWaitForStorage() throws InterruptedException {
        start();
        storage.add(new Fault.Sticks(0, 1 << 20));
        read(0);
        long begin = System.nanoTime();
        fixture.nvme.function().initiateReset();
        assertThat(System.nanoTime() - begin).isLessThan(2_000_000_000L);
        assertThat(fixture.driver.read(CC, 4)).isZero();
        assertThat(fixture.driver.read(AQA, 4)).isZero();
        fixture.driver.setMaster(true);
        Thread.sleep(50);
        assertThat(fixture.driver.status()).isEqualTo(CSTS_RDY);
        assertUntouched();
        storage.release();
        await("CSTS.RDY 0", () -> fixture.driver.status() == 0);
        long reused = page;
        fixture.memory.fill(reused, 4096, 0x77);
        start();
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
        assertThat(fixture.memory.get(reused, 4096)).containsOnly(0x77);
    }

    /** A reset ends a suspension, whenever it is over. */
    @Test
    void aSuspendedControllerRunsAfterAFunctionLevelResetThatIsLate() {
        start();
        CountDownLatch late = new CountDownLatch(1);
        fixture.nvme.suspend();
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(page));
        fixture.nvme.controller().quiesce(() -> await("the test", () -> late.getCount() == 0));
        fixture.nvme.function().initiateReset();
        assertThat(fixture.driver.status()).isEqualTo(CSTS_RDY);
        late.countDown();
        await("CSTS.RDY 0", () -> fixture.driver.status() == 0);
        assertThat(fixture.nvme.isSuspended()).isFalse();
        assertUntouched();
        start();
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
    }

    @Test
    void aFunctionLevelResetThatWaitsForNothingIsOverAtOnce() {
        start();
        fixture.nvme.function().initiateReset();
        assertThat(fixture.driver.status()).isZero();
        assertThat(fixture.driver.read(CC, 4)).isZero();
        start();
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
    }

    /** With a page of storage that says so, and one of memory that does not. */
    private void start() {
        fixture.start();
        page = fixture.pages(1);
        fixture.memory.fill(page, 4096, STORED);
        assertThat(fixture.io(WRITE, 0, 8, page, 0).code()).isZero();
        fixture.memory.fill(page, 4096, OLD);
    }

    /** A read that stalls. */
    private int read(long slba) {
        int cid = fixture.io.submit(NvmeCommand.io(READ, 1, slba, 1).prp(page));
        await("a stalled read", () -> storage.stalled() == 1);
        return cid;
    }

    private NvmeCompletion abort(int sqid, int cid) {
        return fixture.admin.run(new NvmeCommand(ABORT).cdw(10, sqid | (cid << 16)));
    }

    private void range(long ranges, int index, int blocks, long slba) {
        long at = fixture.memory.host(ranges) + 16L * index;
        RawMemory.putInt(at + 4, blocks);
        RawMemory.putLong(at + 8, slba);
    }

    private void assertUntouched() {
        assertThat(fixture.memory.get(page, 4096)).containsOnly(OLD);
    }

    private static void assertAborted(NvmeCompletion completion, int cid) {
        assertThat(completion.cid()).isEqualTo(cid);
        assertThat(completion.code()).isEqualTo(ABORT_REQUESTED);
    }
}
