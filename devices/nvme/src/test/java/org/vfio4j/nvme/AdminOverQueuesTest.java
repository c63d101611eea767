package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeCompletion;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.GuestMemory;

/** The admin commands as a driver sees them: through queues, with data in its own memory, and with effect on I/O. */
class AdminOverQueuesTest {

    private static final int PAGE = 4096;

    private final MemoryBackend first = new MemoryBackend(160 << 20);
    private final MemoryBackend second = new MemoryBackend(1 << 20);
    private final GuestMemory memory = new GuestMemory(16 << 20);
    private final Nvme nvme = Nvme.builder(NvmeIdentity.of("serial"))
            .namespace(new NamespaceOptions(first, 512, Optional.empty()))
            .namespace(new NamespaceOptions(second, 4096, Optional.empty()))
            .queuePairs(2)
            .build();
    private final NvmeDriver driver = new NvmeDriver(nvme.function(), memory);
    private NvmeQueue admin;
    private NvmeQueue io;
    private long page;

    @BeforeEach
    void start() {
        nvme.function().attachDma(memory.space());
        admin = driver.enable(32);
        io = driver.create(admin, 1, 64, false);
        page = (memory.mapped(2 * PAGE) + PAGE - 1) & -PAGE;
    }

    @AfterEach
    void close() {
        nvme.function().detachDma();
        nvme.close();
        memory.close();
        first.close();
        second.close();
    }

    private NvmeCompletion admin(int opcode, int nsid, int cdw10, int cdw11) {
        return admin.run(
                new NvmeCommand(opcode).nsid(nsid).prp(page).cdw(10, cdw10).cdw(11, cdw11));
    }

    private NvmeCompletion io(int opcode, int nsid, long slba) {
        return io.run(NvmeCommand.io(opcode, nsid, slba, 1).prp(page));
    }

    @Test
    void identifiesTheController() {
        assertThat(admin(NvmeSpec.IDENTIFY, 0, 1, 0).status()).isZero();
        assertThat(new String(memory.get(page + 4, 6), StandardCharsets.US_ASCII))
                .isEqualTo("serial");
        assertThat(memory.get(page + 516, 4)).containsExactly(16, 0, 0, 0);
    }

    @Test
    void refusesQueuesToBeCountedWhileThereAreSome() {
        assertThat(admin(NvmeSpec.SET_FEATURES, 0, 7, 0).code()).isEqualTo(NvmeStatus.COMMAND_SEQUENCE_ERROR);
        driver.disable();
        admin = driver.enable(32);
        assertThat(admin(NvmeSpec.SET_FEATURES, 0, 7, 0x00ff_00ff).dw0()).isEqualTo(0x0001_0001);
    }

    @Test
    void logsCommandsThatFail() {
        assertThat(io(NvmeCommand.READ, 2, 256).code()).isEqualTo(NvmeStatus.LBA_OUT_OF_RANGE);
        assertThat(admin(0xc0, 0, 0, 0).code()).isEqualTo(NvmeStatus.INVALID_COMMAND_OPCODE);
        assertThat(admin(NvmeSpec.GET_LOG_PAGE, 0, 1 | (31 << 16), 0).status()).isZero();
        byte[] log = memory.get(page, 128);
        assertThat(log[0]).as("error_count").isEqualTo((byte) 2);
        assertThat(log[8]).as("sqid").isZero();
        assertThat(log[64 + 8]).as("sqid").isEqualTo((byte) 1);
        assertThat(log[64 + 24]).as("nsid").isEqualTo((byte) 2);
    }

    @Test
    void reportsADoorbellThatThereIsNot() {
        admin.submit(new NvmeCommand(NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST));
        driver.ring(40, 1);
        assertThat(admin.await().dw0()).isEqualTo(0x0001_0000);
        assertThat(admin(NvmeSpec.GET_LOG_PAGE, 0, 1 | (15 << 16), 0).status()).isZero();
        assertThat(memory.get(page, 1)).as("error_count").containsExactly(1);
        assertThat(memory.get(page + 8, 4)).as("no command").containsOnly(0xff);
    }

    @Test
    void formatsWhileTheOtherNamespaceIsUsed() {
        memory.fill(page, PAGE, 0x77);
        assertThat(io(NvmeCommand.WRITE, 1, 1000).status()).isZero();
        int format = admin.submit(new NvmeCommand(NvmeSpec.FORMAT_NVM).nsid(1).cdw(10, 1));
        assertThat(io(NvmeCommand.WRITE, 2, 0).status()).isZero();
        NvmeCompletion done = admin.await();
        assertThat(done.cid()).isEqualTo(format);
        assertThat(done.status()).isZero();
        assertThat(admin(NvmeSpec.IDENTIFY, 1, 0, 0).status()).isZero();
        assertThat(memory.get(page, 4)).containsExactly(0, 0xa0, 0, 0);
        assertThat(memory.get(page + 26, 1)).containsExactly(1);
        assertThat(io(NvmeCommand.READ, 1, 1000 / 8).status()).isZero();
        assertThat(memory.get(page, PAGE)).containsOnly(0);
        assertThat(io(NvmeCommand.READ, 1, (160 << 20) / PAGE).code()).isEqualTo(NvmeStatus.LBA_OUT_OF_RANGE);
    }

    @Test
    void detachedNamespacesServeNothing() {
        memory.fill(page, PAGE, 0);
        memory.fill(page, 1, 1);
        assertThat(admin(NvmeSpec.NAMESPACE_ATTACHMENT, 2, 1, 0).status()).isZero();
        assertThat(io(NvmeCommand.READ, 2, 0).code()).isEqualTo(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        memory.fill(page, PAGE, 0);
        memory.fill(page, 1, 1);
        assertThat(admin(NvmeSpec.NAMESPACE_ATTACHMENT, 2, 0, 0).status()).isZero();
        assertThat(io(NvmeCommand.READ, 2, 0).status()).isZero();
    }

    @Test
    void writeProtectionHoldsForIo() {
        assertThat(admin(NvmeSpec.SET_FEATURES, 1, 0x84, 1).status()).isZero();
        assertThat(io(NvmeCommand.WRITE, 1, 0).code()).isEqualTo(NvmeStatus.NAMESPACE_IS_WRITE_PROTECTED);
        assertThat(io(NvmeCommand.READ, 1, 0).status()).isZero();
        assertThat(admin(NvmeSpec.SET_FEATURES, 1, 0x84, 0).status()).isZero();
        assertThat(io(NvmeCommand.WRITE, 1, 0).status()).isZero();
    }

    @Test
    void growsWhileItIsUsed() {
        admin(NvmeSpec.SET_FEATURES, 0, 0x0b, 0x100);
        int cid = admin.submit(new NvmeCommand(NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST));
        assertThat(io(NvmeCommand.READ, 2, 256).code()).isEqualTo(NvmeStatus.LBA_OUT_OF_RANGE);
        try (MemoryBackend larger = new MemoryBackend(2 << 20)) {
            nvme.setStorage(2, larger);
            NvmeCompletion event = admin.await();
            assertThat(event.cid()).isEqualTo(cid);
            assertThat(event.dw0()).isEqualTo(0x0004_0002);
            assertThat(io(NvmeCommand.READ, 2, 256).status()).isZero();
            assertThat(admin(NvmeSpec.GET_LOG_PAGE, 0, 4 | (1023 << 16), 0).status())
                    .isZero();
            assertThat(memory.get(page, 4)).containsExactly(2, 0, 0, 0);
            assertThatThrownBy(() -> nvme.setStorage(3, larger)).isInstanceOf(ErrnoException.class);
            nvme.setStorage(2, second);
        }
        assertThat(io(NvmeCommand.READ, 2, 255).status()).isZero();
    }

    @Test
    void countsWhatIsMoved() {
        io(NvmeCommand.WRITE, 2, 0);
        io(NvmeCommand.READ, 2, 0);
        io(NvmeCommand.READ, 1, 0);
        assertThat(io(NvmeCommand.COMPARE, 1, 0).status()).isZero();
        memory.fill(page, 1, 0x11);
        assertThat(io(NvmeCommand.COMPARE, 1, 0).code()).isEqualTo(NvmeStatus.COMPARE_FAILURE);
        assertThat(io.run(NvmeCommand.io(NvmeCommand.VERIFY, 2, 0, 256)).status())
                .isZero();
        admin(NvmeSpec.GET_LOG_PAGE, -1, 2 | (127 << 16), 0);
        assertThat(memory.get(page + 32, 1))
                .as("thousands of 512 bytes, those that were verified as well")
                .containsExactly(3);
        assertThat(memory.get(page + 64, 1)).containsExactly(3);
        assertThat(memory.get(page + 80, 1)).containsExactly(1);
        assertThat(memory.get(page + 160, 1)).as("media errors").containsExactly(0);
        assertThat(memory.get(page + 176, 1)).as("errors").containsExactly(1);
    }
}
