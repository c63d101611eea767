package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeDriver.createCompletions;
import static org.vfio4j.nvmedriver.NvmeDriver.createSubmissions;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.RawMemory;

/** Create and Delete I/O queues, Abort, and what a doorbell may say: NVM Express Base 2.0, 5.1, 5.4 to 5.7; PCIe 3.1.2. */
class QueueCommandsTest {

    private NvmeFixture fixture;
    private NvmeQueue queue;

    @BeforeEach
    void setUp() {
        fixture = new NvmeFixture();
        fixture.admin = fixture.driver.enable(32);
        queue = fixture.driver.queue(1, 16, false);
    }

    @AfterEach
    void tearDown() {
        fixture.close();
    }

    @Test
    void refusesCompletionQueuesThatCannotBe() {
        assertThat(code(createCompletions(queue, 1).cdw(10, 0x000f_0000))).isEqualTo(0x101);
        assertThat(code(createCompletions(queue, 1).cdw(10, 0x000f_0005))).isEqualTo(0x101);
        assertThat(code(createCompletions(queue, 1).cdw(10, 0x0000_0001))).isEqualTo(0x102);
        assertThat(code(createCompletions(queue, 1).cdw(10, 0x1000_0001))).isEqualTo(0x102);
        assertThat(code(createCompletions(queue, 1).cdw(11, 2)))
                .as("not contiguous")
                .isEqualTo(0x002);
        assertThat(code(createCompletions(queue, 5))).as("vector").isEqualTo(0x108);
        assertThat(code(createCompletions(queue, 1).prp(queue.cq() + 8))).isEqualTo(0x013);
        assertThat(code(createCompletions(queue, 1))).isZero();
        assertThat(code(createCompletions(queue, 1))).as("exists").isEqualTo(0x101);
    }

    @Test
    void refusesSubmissionQueuesThatCannotBe() {
        assertThat(code(createSubmissions(queue))).as("no completion queue").isEqualTo(0x100);
        assertThat(code(createCompletions(queue, 1))).isZero();
        assertThat(code(createSubmissions(queue).cdw(11, 1)))
                .as("the admin queue's")
                .isEqualTo(0x101);
        assertThat(code(createSubmissions(queue).cdw(11, 1 | (9 << 16)))).isEqualTo(0x101);
        assertThat(code(createSubmissions(queue).cdw(10, 1))).isEqualTo(0x102);
        assertThat(code(createSubmissions(queue).cdw(11, 1 << 16))).isEqualTo(0x002);
        assertThat(code(createSubmissions(queue).prp(queue.sq() + 64))).isEqualTo(0x013);
        assertThat(code(createSubmissions(queue))).isZero();
        assertThat(code(createSubmissions(queue))).isEqualTo(0x101);
    }

    @Test
    void deletesInOrder() {
        assertThat(delete(NvmeCommand.DELETE_SQ, 0)).isEqualTo(0x101);
        assertThat(delete(NvmeCommand.DELETE_CQ, 0)).isEqualTo(0x101);
        assertThat(delete(NvmeCommand.DELETE_SQ, 1)).isEqualTo(0x101);
        fixture.io = fixture.driver.create(fixture.admin, 1, 16, false);
        assertThat(delete(NvmeCommand.DELETE_CQ, 1)).as("still used").isEqualTo(0x10c);
        assertThat(delete(NvmeCommand.DELETE_SQ, 1)).isZero();
        assertThat(delete(NvmeCommand.DELETE_CQ, 1)).isZero();
        fixture.io = fixture.driver.create(fixture.admin, 1, 16, false);
        assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).code())
                .isZero();
    }

    /** All sent before the first is answered. */
    @Test
    void aQueueAndItsCompletionQueueAreDeletedInOneGo() {
        fixture.io = fixture.driver.create(fixture.admin, 1, 16, false);
        fixture.admin.put(new NvmeCommand(NvmeCommand.DELETE_SQ).cdw(10, 1));
        fixture.admin.put(new NvmeCommand(NvmeCommand.DELETE_CQ).cdw(10, 1));
        fixture.admin.ring();
        assertThat(fixture.admin.await().code()).isZero();
        assertThat(fixture.admin.await().code()).isZero();
    }

    @Test
    void unknownAdminCommandsAndFusedOnesAreRefused() {
        NvmeCompletion done = fixture.admin.run(new NvmeCommand(0x3f));
        assertThat(done.code()).isEqualTo(0x001);
        assertThat(done.doNotRetry()).isTrue();
        assertThat(code(new NvmeCommand(NvmeCommand.IDENTIFY).flags(1 << 8))).isEqualTo(0x002);
        assertThat(code(new NvmeCommand(NvmeCommand.IDENTIFY).flags(NvmeCommand.SGL)))
                .isEqualTo(0x002);
    }

    @Test
    void adminDataMoveBothWays() {
        long page = fixture.pages(1);
        fixture.memory.fill(page, 4096, 0x21);
        assertThat(fixture.admin.run(new NvmeCommand(0x09).prp(page)).dw0()).isEqualTo(0x2121_2121);
        long remote = fixture.remotePages(1);
        fixture.memory.fill(remote, 4096, 0x43);
        assertThat(fixture.admin.run(new NvmeCommand(0x09).prp(remote)).dw0()).isEqualTo(0x4343_4343);
        assertThat(fixture.admin
                        .run(new NvmeCommand(NvmeCommand.IDENTIFY).prp(remote).cdw(10, 0x11))
                        .status())
                .isZero();
        assertThat(fixture.memory.get(remote, 4096)).containsOnly(0x11);
        assertThat(code(new NvmeCommand(NvmeCommand.IDENTIFY).prp(0x7777_0000_0000L)))
                .isEqualTo(0x004);
    }

    @Test
    void adminDataOfManyPagesComeByALargeList() {
        int bytes = NvmeLimits.MAX_TRANSFER_BYTES;
        long data = fixture.pages(bytes / 4096);
        long list = fixture.pages(1);
        for (int i = 1; i < bytes / 4096; i++) {
            RawMemory.putLong(fixture.memory.host(list) + 8L * (i - 1), data + 4096L * i);
        }
        assertThat(code(new NvmeCommand(0x02).prp(data, list))).isZero();
        assertThat(fixture.memory.get(data, bytes)).containsOnly(0x5a);
    }

    @Test
    void anEventRequestIsHeldAndCanBeAborted() {
        int cid = fixture.admin.submit(new NvmeCommand(NvmeCommand.ASYNC_EVENT));
        assertThat(fixture.admin.run(new NvmeCommand(0x0a)).cid()).isNotEqualTo(cid);
        fixture.admin.submit(new NvmeCommand(NvmeCommand.ABORT).cdw(10, cid << 16));
        NvmeCompletion first = fixture.admin.await();
        NvmeCompletion second = fixture.admin.await();
        NvmeCompletion aborted = first.cid() == cid ? first : second;
        NvmeCompletion abort = first.cid() == cid ? second : first;
        assertThat(aborted.code()).isEqualTo(0x007);
        assertThat(abort.status()).isZero();
        assertThat(abort.dw0() & 1).as("aborted").isZero();
        assertThat(fixture.admin
                                .run(new NvmeCommand(NvmeCommand.ABORT).cdw(10, cid << 16))
                                .dw0()
                        & 1)
                .as("not there any more")
                .isEqualTo(1);
    }

    @Test
    void heldRequestsDoNotFillTheCompletionQueue() {
        fixture.admin = fixture.driver.enable(4);
        for (int i = 0; i < 12; i++) {
            fixture.admin.submit(new NvmeCommand(NvmeCommand.ASYNC_EVENT));
            assertThat(fixture.admin.run(new NvmeCommand(0x0a).cdw(11, i)).dw0())
                    .isEqualTo(i);
        }
        for (int i = 0; i < 12; i++) {
            fixture.handler.controller().run(() -> fixture.handler.asynchronousEvent(2, 0, 3));
        }
        for (int i = 0; i < 12; i++) {
            assertThat(fixture.admin.await().dw0()).isEqualTo(0x0003_0002);
        }
    }

    @Test
    void aDoorbellValueOutOfTheQueueIsAnEvent() {
        fixture.io = fixture.driver.create(fixture.admin, 1, 16, false);
        int cid = fixture.admin.submit(new NvmeCommand(NvmeCommand.ASYNC_EVENT));
        fixture.driver.ring(2, 16);
        NvmeCompletion event = fixture.admin.await();
        assertThat(event.cid()).isEqualTo(cid);
        assertThat(event.dw0()).isEqualTo(0x0001_0100);
        assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).code())
                .isZero();
    }

    @Test
    void aHeadAheadOfWhatIsThereIsAnEvent() {
        fixture.io = fixture.driver.create(fixture.admin, 1, 16, false);
        fixture.driver.ring(3, 5);
        fixture.io.submit(NvmeCommand.io(NvmeCommand.READ, 1, 0, 1).prp(fixture.pages(1)));
        NvmeDriver.await("event", () -> fixture.handler.events.contains("0/1/1"));
        assertThat(fixture.io.await().code()).isZero();
    }

    @Test
    void aDoorbellOfNoQueueIsAnEvent() {
        fixture.driver.ring(8, 1);
        NvmeDriver.await("event", () -> fixture.handler.events.contains("0/0/1"));
    }

    private int code(NvmeCommand command) {
        return fixture.admin.run(command).code();
    }

    private int delete(int opcode, int qid) {
        return code(new NvmeCommand(opcode).cdw(10, qid));
    }
}
