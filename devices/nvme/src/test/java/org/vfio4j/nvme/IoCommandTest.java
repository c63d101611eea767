package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.sys.RawMemory;

/** The I/O commands: NVM Command Set 1.0, 3.2. */
class IoCommandTest {

    private static final int BLOCKS = (int) (NvmeFixture.DISK_BYTES / NvmeFixture.BLOCK);
    private static final int DEALLOCATE = 4;

    private final NvmeFixture fixture = new NvmeFixture();

    @AfterEach
    void tearDown() {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatWasWrittenIsRead(boolean remote) {
        fixture.start(remote);
        for (int blocks : new int[] {1, 7, 8, 9, 16, 24, 200, 1024}) {
            int bytes = blocks * NvmeFixture.BLOCK;
            byte[] data = new byte[bytes];
            new Random(blocks).nextBytes(data);
            long from = remote ? fixture.remotePages(130) : fixture.pages(130);
            long to = remote ? fixture.remotePages(130) : fixture.pages(130);
            fixture.memory.put(from + 256, data);
            assertThat(transfer(WRITE, 100, blocks, from + 256)).isZero();
            assertThat(transfer(READ, 100, blocks, to + 512)).isZero();
            assertThat(fixture.memory.get(to + 512, bytes)).isEqualTo(data);
            assertThat(fixture.nvme.counters().slow() > 0).isEqualTo(remote);
        }
    }

    @Test
    void completionsSayWhoAndWhere() {
        fixture.start();
        long page = fixture.pages(1);
        for (int i = 0; i < 3 * NvmeFixture.QUEUE_ENTRIES; i++) {
            int cid = fixture.io.put(NvmeCommand.io(READ, 1, i, 1).prp(page));
            fixture.io.ring();
            NvmeCompletion done = fixture.io.await();
            assertThat(done.cid()).isEqualTo(cid);
            assertThat(done.sqid()).isEqualTo(1);
            assertThat(done.sqhd()).isEqualTo((i + 1) % NvmeFixture.QUEUE_ENTRIES);
        }
    }

    @Test
    void refusesWhatIsNotInTheNamespace() {
        fixture.start();
        long page = fixture.pages(1);
        assertThat(fixture.io(READ, BLOCKS - 1, 1, page, 0).code()).isZero();
        for (int opcode : new int[] {READ, WRITE, COMPARE, WRITE_ZEROES, VERIFY}) {
            NvmeCompletion done = fixture.io(opcode, BLOCKS, 1, page, 0);
            assertThat(done.code()).isEqualTo(0x080);
            assertThat(done.doNotRetry()).isTrue();
            assertThat(fixture.io(opcode, BLOCKS - 1, 2, page, 0).code()).isEqualTo(0x080);
            assertThat(fixture.io(opcode, -1, 2, page, 0).code()).isEqualTo(0x080);
            assertThat(fixture.io(opcode, Long.MIN_VALUE, 1, page, 0).code()).isEqualTo(0x080);
        }
        assertThat(fixture.handler.lastFailure & 0x7ff).isEqualTo(0x080);
    }

    @Test
    void refusesMoreThanMdts() {
        fixture.start();
        assertThat(fixture.io(READ, 0, 1025, fixture.pages(1), 0).code()).isEqualTo(0x002);
        assertThat(fixture.io(WRITE, 0, 65536, fixture.pages(1), 0).code()).isEqualTo(0x002);
    }

    @Test
    void refusesOtherNamespacesAndCommands() {
        fixture.start();
        fixture.handler.namespaces.add(null);
        long page = fixture.pages(1);
        assertThat(run(NvmeCommand.io(READ, 0, 0, 1).prp(page))).isEqualTo(0x00b);
        assertThat(run(NvmeCommand.io(READ, 2, 0, 1).prp(page))).as("inactive").isEqualTo(0x002);
        assertThat(run(NvmeCommand.io(READ, 3, 0, 1).prp(page))).isEqualTo(0x00b);
        assertThat(run(NvmeCommand.io(READ, -1, 0, 1).prp(page))).isEqualTo(0x00b);
        assertThat(run(NvmeCommand.io(0x7f, 1, 0, 1).prp(page))).isEqualTo(0x001);
        assertThat(run(NvmeCommand.io(READ, 1, 0, 1).prp(page).flags(1 << 8)))
                .as("fused")
                .isEqualTo(0x002);
        assertThat(run(NvmeCommand.io(READ, 1, 0, 1).prp(page).flags(3 << 14)))
                .as("PSDT")
                .isEqualTo(0x002);
    }

    @Test
    void aNamespaceCanBeProtectedOrNotReady() {
        fixture.start();
        long page = fixture.pages(1);
        fixture.namespace.writeProtected = true;
        for (int opcode : new int[] {WRITE, WRITE_ZEROES, COPY, DSM}) {
            assertThat(fixture.io(opcode, 0, 1, page, 0).code()).isEqualTo(0x020);
        }
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isZero();
        fixture.namespace.notReady = NvmeStatus.FORMAT_IN_PROGRESS;
        assertThat(fixture.io(READ, 0, 1, page, 0).code()).isEqualTo(0x084);
    }

    @Test
    void flushesOneNamespaceOrAll() {
        fixture.start();
        assertThat(run(new NvmeCommand(FLUSH).nsid(1))).isZero();
        assertThat(run(new NvmeCommand(FLUSH).nsid(-1))).isZero();
        assertThat(run(new NvmeCommand(FLUSH).nsid(0))).isEqualTo(0x00b);
        assertThat(fixture.nvme.counters().flushes()).isEqualTo(2);
    }

    @Test
    void writesZeroesMoreThanMdtsAtOnce() {
        fixture.start();
        long page = fixture.pages(2);
        fixture.memory.fill(page, 8192, 0x77);
        assertThat(fixture.io(WRITE, 2000, 8, page, 0).code()).isZero();
        assertThat(fixture.io(WRITE_ZEROES, 0, 4096, 0, 0).code()).isZero();
        assertThat(fixture.io(READ, 2000, 8, page, 0).code()).isZero();
        assertThat(fixture.memory.get(page, 4096)).containsOnly(0);
    }

    @Test
    void deallocatesRanges() {
        fixture.start();
        long data = fixture.pages(1);
        long list = fixture.pages(1);
        fixture.memory.fill(data, 4096, 0x77);
        for (int i = 0; i < 256; i++) {
            fixture.io(WRITE, i * 16L, 8, data, 0);
            range(list, i, i * 16L, 8);
        }
        assertThat(run(new NvmeCommand(DSM).nsid(1).prp(list).cdw(10, 255).cdw(11, DEALLOCATE)))
                .isZero();
        for (int i = 0; i < 256; i++) {
            fixture.io(READ, i * 16L, 8, data, 0);
            assertThat(fixture.memory.get(data, 4096)).containsOnly(0);
        }
        range(list, 3, BLOCKS - 1, 2);
        assertThat(run(new NvmeCommand(DSM).nsid(1).prp(list).cdw(10, 3).cdw(11, DEALLOCATE)))
                .isEqualTo(0x080);
    }

    @Test
    void hintsWithoutDeallocationChangeNothing() {
        fixture.start();
        long data = fixture.pages(1);
        long list = fixture.pages(1);
        fixture.memory.fill(data, 4096, 0x77);
        fixture.io(WRITE, 0, 8, data, 0);
        range(list, 0, 0, 8);
        assertThat(run(new NvmeCommand(DSM).nsid(1).prp(list).cdw(11, 3))).isZero();
        fixture.io(READ, 0, 8, data, 0);
        assertThat(fixture.memory.get(data, 4096)).containsOnly(0x77);
    }

    @Test
    void comparesWithWhatIsStored() {
        fixture.start();
        long page = fixture.pages(1);
        fixture.memory.fill(page, 4096, 0x33);
        fixture.io(WRITE, 8, 8, page, 0);
        assertThat(fixture.io(COMPARE, 8, 8, page, 0).code()).isZero();
        fixture.memory.fill(page + 4095, 1, 0x34);
        assertThat(fixture.io(COMPARE, 8, 8, page, 0).code()).isEqualTo(0x285);
        assertThat(fixture.io(VERIFY, 0, 65536, 0, 0).code()).isEqualTo(0x080);
        assertThat(fixture.io(VERIFY, 0, 4096, 0, 0).code()).isZero();
    }

    @Test
    void copiesRangesOneBehindTheOther() {
        fixture.start();
        long page = fixture.pages(1);
        long list = fixture.pages(1);
        for (int i = 0; i < 3; i++) {
            fixture.memory.fill(page, 512, 0x10 + i);
            fixture.io(WRITE, 100 + 10L * i, 1, page, 0);
            copyRange(list, i, 100 + 10L * i, 1);
        }
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(5000).cdw(12, 2)))
                .isZero();
        assertThat(fixture.io(READ, 5000, 3, page, 0).code()).isZero();
        for (int i = 0; i < 3; i++) {
            assertThat(fixture.memory.get(page + 512L * i, 512)).containsOnly(0x10 + i);
        }
    }

    @Test
    void refusesCopiesPastItsLimits() {
        fixture.start();
        long list = fixture.pages(2);
        copyRange(list, 0, 0, NvmeLimits.MAX_COPY_RANGE_BLOCKS + 1);
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(5000))).isEqualTo(0x183);
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(5000).cdw(12, 128)))
                .isEqualTo(0x183);
        for (int i = 0; i < 9; i++) {
            copyRange(list, i, 0, NvmeLimits.MAX_COPY_RANGE_BLOCKS);
        }
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(5000).cdw(12, 8)))
                .isEqualTo(0x183);
        copyRange(list, 0, BLOCKS, 1);
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(5000))).isEqualTo(0x080);
        copyRange(list, 0, 0, 2);
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(BLOCKS - 1)))
                .isEqualTo(0x080);
        assertThat(run(new NvmeCommand(COPY).nsid(1).prp(list).slba(0).cdw(12, 1 << 8)))
                .as("format")
                .isEqualTo(0x002);
    }

    @Test
    void blocksOf4096BytesAreCountedSo() {
        fixture.handler.namespaces.set(0, new PlainNamespace(fixture.backend, 12));
        fixture.start();
        long page = fixture.pages(1);
        fixture.memory.fill(page, 4096, 0x44);
        assertThat(fixture.io(WRITE, 4095, 1, page, 0).code()).isZero();
        assertThat(fixture.io(WRITE, 4096, 1, page, 0).code()).isEqualTo(0x080);
        fixture.memory.fill(page, 4096, 0);
        assertThat(fixture.io(READ, 4095, 1, page, 0).code()).isZero();
        assertThat(fixture.memory.get(page, 4096)).containsOnly(0x44);
    }

    @Test
    void namespacesOnOtherStorageAreApart() {
        try (MemoryBackend other = new MemoryBackend(1 << 20)) {
            fixture.handler.namespaces.add(new PlainNamespace(other, 9));
            fixture.start();
            long page = fixture.pages(1);
            fixture.memory.fill(page, 512, 1);
            run(NvmeCommand.io(WRITE, 1, 0, 1).prp(page));
            fixture.memory.fill(page, 512, 2);
            run(NvmeCommand.io(WRITE, 2, 0, 1).prp(page));
            run(NvmeCommand.io(READ, 1, 0, 1).prp(page));
            assertThat(fixture.memory.get(page, 512)).containsOnly(1);
            fixture.nvme.close();
        }
    }

    private int run(NvmeCommand command) {
        return fixture.io.run(command).code();
    }

    /** A command with as many PRP entries as it needs. */
    private int transfer(int opcode, long slba, int blocks, long at) {
        long second = (at & -4096L) + 4096;
        int rest = blocks * NvmeFixture.BLOCK - (int) (second - at);
        long prp2 = rest <= 0 ? 0 : second;
        if (rest > 4096) {
            prp2 = list(second, rest);
        }
        return fixture.io(opcode, slba, blocks, at, prp2).code();
    }

    private long list(long second, int bytes) {
        long list = fixture.pages(1);
        for (int i = 0; i * 4096 < bytes; i++) {
            RawMemory.putLong(fixture.memory.host(list) + 8L * i, second + 4096L * i);
        }
        return list;
    }

    private void range(long list, int i, long slba, int blocks) {
        long at = fixture.memory.host(list) + 16L * i;
        RawMemory.putInt(at, 0);
        RawMemory.putInt(at + 4, blocks);
        RawMemory.putLong(at + 8, slba);
    }

    private void copyRange(long list, int i, long slba, int blocks) {
        long at = fixture.memory.host(list) + 32L * i;
        RawMemory.putLong(at + 8, slba);
        RawMemory.putShort(at + 16, (short) (blocks - 1));
    }
}
