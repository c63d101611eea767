package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;

/** Storage that fails or stands still, and guest memory that goes away: who notices, and who does not. */
class StorageFaultTest {

    @ParameterizedTest
    @CsvSource({
        "5, 0x281, 0x280, false", // EIO
        "28, 0x081, 0x081, false", // ENOSPC
        "30, 0x020, 0x020, true", // EROFS
        "14, 0x004, 0x004, false", // EFAULT
        "12, 0x006, 0x006, false" // ENOMEM
    })
    void errorsOfStorageHaveTheirStatus(int errno, String read, String write, boolean noRetry) {
        FaultyBackend storage = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
        try (NvmeFixture fixture = new NvmeFixture(storage, builder -> builder)) {
            fixture.start();
            long page = fixture.pages(1);
            storage.error = -errno;
            NvmeCompletion failed = fixture.io(READ, 0, 1, page, 0);
            assertThat(failed.code()).isEqualTo(Integer.decode(read));
            assertThat(failed.doNotRetry()).isEqualTo(noRetry);
            assertThat(fixture.io(WRITE, 0, 1, page, 0).code()).isEqualTo(Integer.decode(write));
            assertThat(fixture.io.run(new NvmeCommand(FLUSH).nsid(1)).code()).isEqualTo(Integer.decode(write));
            assertThat(fixture.io(WRITE_ZEROES, 0, 1, 0, 0).code()).isEqualTo(Integer.decode(write));
            assertThat(fixture.io(COMPARE, 0, 1, page, 0).code()).isEqualTo(Integer.decode(read));
            assertThat(fixture.io(VERIFY, 0, 1, page, 0).code()).isEqualTo(Integer.decode(read));
            storage.error = 0;
            assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
        }
    }

    /** Of a read that is to be stable, too: what it has read is all right. */
    @ParameterizedTest
    @CsvSource({
        "5, 0x280, false", // EIO
        "28, 0x081, false", // ENOSPC
        "5, 0x280, true",
        "28, 0x081, true"
    })
    void aFlushThatFailsHasTheSameStatusWhateverItIsFor(int errno, String status, boolean remote) {
        FaultyBackend storage = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
        try (NvmeFixture fixture = new NvmeFixture(storage, builder -> builder)) {
            fixture.start(false);
            long page = remote ? fixture.remotePages(1) : fixture.pages(1);
            storage.flushError = -errno;
            for (int opcode : new int[] {FLUSH, READ, WRITE, WRITE_ZEROES}) {
                NvmeCommand command = NvmeCommand.io(opcode, 1, 0, 1).prp(page);
                NvmeCompletion failed = fixture.io.run(command.cdw(12, 1 << 30));
                assertThat(failed.code()).as("opcode %d", opcode).isEqualTo(Integer.decode(status));
                assertThat(failed.doNotRetry()).isFalse();
            }
            // A slot that has flushed reads again.
            storage.error = -errno;
            assertThat(fixture.io(READ, 0, 1, page, 0).code()).isEqualTo(errno == 5 ? 0x281 : 0x081);
        }
    }

    @Test
    void storageThatStandsStillHoldsUpNobodyElse() {
        FaultyBackend storage = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
        try (NvmeFixture fixture = new NvmeFixture(storage, builder -> builder);
                MemoryBackend other = new MemoryBackend(NvmeFixture.DISK_BYTES)) {
            fixture.handler.namespaces.add(new PlainNamespace(other, 9));
            fixture.admin = fixture.driver.enable(32);
            fixture.io = fixture.driver.create(fixture.admin, 1, 2048, false);
            NvmeQueue second = fixture.driver.create(fixture.admin, 2, 16, false);
            long page = fixture.pages(1);
            storage.stalled = true;
            for (int i = 0; i < 2000; i++) {
                fixture.io.put(NvmeCommand.io(READ, 1, i, 1).prp(page));
            }
            fixture.io.ring();
            NvmeDriver.await("stalled commands", () -> storage.waiting() > 256);
            for (int i = 0; i < 100; i++) {
                assertThat(second.run(NvmeCommand.io(READ, 2, i, 1).prp(page)).code())
                        .isZero();
            }
            assertThat(fixture.admin
                            .run(new NvmeCommand(IDENTIFY).prp(page).cdw(10, 1))
                            .code())
                    .isZero();
            assertThat(fixture.io.isDone()).isFalse();
            // A queue that is deleted with commands in flight is gone when these are done.
            int deletion = fixture.admin.submit(new NvmeCommand(DELETE_SQ).cdw(10, 1));
            assertThat(fixture.admin.run(new NvmeCommand(0x0a)).cid()).isNotEqualTo(deletion);
            storage.letGo();
            assertThat(fixture.admin.await().cid()).isEqualTo(deletion);
            assertThat(fixture.io.isDone()).isTrue();
            fixture.nvme.close();
        }
    }

    @Test
    void aFullCompletionQueueHoldsCommandsBack() throws InterruptedException {
        try (NvmeFixture fixture = new NvmeFixture()) {
            fixture.admin = fixture.driver.enable(32);
            NvmeQueue queue = fixture.driver.queue(1, 64, false);
            // A completion queue of 4 entries behind a submission queue of 64.
            fixture.admin.run(NvmeDriver.createCompletions(queue, 1).cdw(10, 1 | (3 << 16)));
            fixture.admin.run(NvmeDriver.createSubmissions(queue));
            long page = fixture.pages(1);
            for (int i = 0; i < 20; i++) {
                queue.put(NvmeCommand.io(READ, 1, 0, 1).prp(page));
            }
            queue.ring();
            NvmeDriver.await("reads", () -> fixture.nvme.counters().reads() == 3);
            Thread.sleep(20);
            assertThat(fixture.nvme.counters().reads()).isEqualTo(3);
            for (int head = 1; head <= 17; head++) {
                int expected = 3 + head;
                fixture.driver.ring(3, head % 4);
                NvmeDriver.await("reads", () -> fixture.nvme.counters().reads() == expected);
            }
        }
    }

    @Test
    void memoryThatGoesAwayIsATransferError() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            // Rings in one memory, data in the other, which is then unmapped.
            fixture.start(true);
            long page = fixture.pages(1);
            assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
            fixture.memory.unmapFirstHalf();
            assertThat(fixture.io(READ, 0, 1, page, 0).code()).isEqualTo(0x004);
            assertThat(fixture.io(WRITE, 0, 1, page, 0).code()).isEqualTo(0x004);
            fixture.memory.mapFirstHalf();
            assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
        }
    }

    @Test
    void ringsThatGoAwayForAWhileAreFoundAgain() throws InterruptedException {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            long page = fixture.pages(1);
            fixture.memory.unmapFirstHalf();
            fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(page));
            Thread.sleep(10);
            fixture.memory.mapFirstHalf();
            assertThat(fixture.io.await().code()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void forcedUnitAccessAndACacheThatIsOffMakeStable(boolean remote) {
        FaultyBackend storage = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
        try (NvmeFixture fixture = new NvmeFixture(storage, builder -> builder)) {
            fixture.start(remote);
            NvmeCommand write = NvmeCommand.io(WRITE, 1, 0, 1).prp(fixture.pages(1));
            NvmeCommand read = NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1));
            fixture.io.run(write);
            fixture.io.run(read);
            assertThat(storage.flushes()).isZero();
            fixture.io.run(write.cdw(12, 1 << 30));
            assertThat(storage.flushes()).isEqualTo(1);
            fixture.io.run(read.cdw(12, 1 << 30));
            assertThat(storage.flushes()).isEqualTo(2);
            fixture.onQueueThread(() -> fixture.handler.controller().setWriteCache(false));
            fixture.io.run(write.cdw(12, 0));
            assertThat(storage.flushes()).isEqualTo(3);
            fixture.io.run(NvmeCommand.io(WRITE_ZEROES, 1, 0, 1));
            assertThat(storage.flushes()).isEqualTo(4);
        }
    }
}
