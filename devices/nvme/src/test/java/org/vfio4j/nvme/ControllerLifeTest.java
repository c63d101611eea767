package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeDriver.*;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.testkit.ThreadUse;

/** Properties, enabling, reset and shutdown: NVM Express Base 2.0, 3.1.3, 3.5 to 3.7. */
class ControllerLifeTest {

    private static final int CRTO = 0x68;
    private static final int CC_SHN_NORMAL = 1 << 14;
    private static final int CSTS_SHST_COMPLETE = 2 << 2;

    @Test
    void capabilitiesSayWhatAControllerCanDo() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            long cap = fixture.driver.read(CAP, 8);
            assertThat(cap & 0xffff).as("MQES").isEqualTo(4095);
            assertThat((cap >>> 16) & 1).as("CQR").isEqualTo(1);
            assertThat((cap >>> 32) & 0xf).as("DSTRD").isZero();
            assertThat((cap >>> 37) & 0xff).as("CSS").isEqualTo(1);
            assertThat((cap >>> 48) & 0xf).as("MPSMIN").isZero();
            assertThat((cap >>> 59) & 3).as("CRMS").isEqualTo(1);
            assertThat(fixture.driver.read(CRTO, 4)).as("CRWMT").isEqualTo((cap >>> 24) & 0xff);
            assertThat(fixture.driver.read(CAP, 4)).isEqualTo(cap & 0xffff_ffffL);
            assertThat(fixture.driver.read(CAP + 4, 4)).isEqualTo(cap >>> 32);
            assertThat(fixture.driver.read(VS, 4)).isEqualTo(0x20000);
        }
    }

    @Test
    void becomesReadyAndServesAdminCommands() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            assertThat(fixture.driver.status()).isZero();
            fixture.admin = fixture.driver.enable(32);
            long page = fixture.pages(1);
            var done = fixture.admin.run(
                    new NvmeCommand(NvmeCommand.IDENTIFY).prp(page).cdw(10, 0x5c));
            assertThat(done.status()).isZero();
            assertThat(fixture.memory.get(page, 4096)).containsOnly(0x5c);
        }
    }

    @Test
    void refusesAConfigurationThatItDoesNotHave() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            fixture.driver.enable(32);
            fixture.driver.disable();
            fixture.driver.write(CC, 4, CC_ENABLED | (7 << 7));
            NvmeDriver.await("CSTS.CFS", () -> (fixture.driver.status() & CSTS_CFS) != 0);
            fixture.driver.write(CC, 4, 0);
            NvmeDriver.await("CSTS 0", () -> fixture.driver.status() == 0);
            assertThat(fixture.driver
                            .enable(32)
                            .run(new NvmeCommand(0x0a).cdw(11, 7))
                            .dw0())
                    .isEqualTo(7);
        }
    }

    /** Not as drivers should, who wait for CSTS.RDY in between. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void enablingAndDisablingInOneBreathIsNoFailure(int threads) {
        try (NvmeFixture fixture =
                new NvmeFixture(new MemoryBackend(NvmeFixture.DISK_BYTES), builder -> builder.threads(threads))) {
            fixture.start();
            for (int i = 0; i < 200; i++) {
                fixture.io.submit(NvmeCommand.io(NvmeCommand.READ, 1, 0, 1).prp(fixture.pages(1)));
                fixture.driver.write(CC, 4, 0);
                fixture.driver.write(CC, 4, CC_ENABLED);
                fixture.driver.write(CC, 4, 0);
                fixture.driver.write(CC, 4, CC_ENABLED);
                assertThat(fixture.driver.status() & CSTS_CFS).isZero();
            }
            fixture.start();
            assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).status())
                    .isZero();
        }
    }

    /** Base 3.1.3.5: what says how memory is read is not changed while EN is 1. */
    @Test
    void theSizeOfPagesStaysWhileEnabled() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            int configured = (int) fixture.driver.read(CC, 4);
            fixture.driver.write(CC, 4, configured | (15 << 7) | (7 << 4) | (7 << 11));
            assertThat(fixture.driver.read(CC, 4)).isEqualTo(configured);
            assertThat(fixture.io(NvmeCommand.READ, 0, 8, fixture.pages(1), 0).status())
                    .isZero();
            fixture.driver.write(CC, 4, 1 << 7);
            assertThat(fixture.driver.read(CC, 4)).isEqualTo(1 << 7);
        }
    }

    @Test
    void aResetForgetsQueuesButNotTheAdminRegisters() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            int resets = fixture.handler.resets.get();
            long asq = fixture.driver.read(ASQ, 8);
            fixture.driver.disable();
            assertThat(fixture.handler.resets.get()).isEqualTo(resets + 1);
            assertThat(fixture.driver.read(ASQ, 8)).isEqualTo(asq);
            fixture.admin = fixture.driver.enable(32);
            // The same identifiers are free again.
            fixture.io = fixture.driver.create(fixture.admin, 1, 8, false);
            assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).status())
                    .isZero();
        }
    }

    @Test
    void aFunctionResetIsAsPowerOn() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            fixture.nvme.function().reset();
            assertThat(fixture.driver.status()).isZero();
            assertThat(fixture.driver.read(CC, 4)).isZero();
            assertThat(fixture.driver.read(AQA, 4)).isZero();
            assertThat(fixture.driver.read(ASQ, 8)).isZero();
            fixture.start();
            assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).status())
                    .isZero();
        }
    }

    @Test
    void shutdownSaysWhenAllIsStable() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            fixture.driver.write(CC, 4, CC_ENABLED | CC_SHN_NORMAL);
            NvmeDriver.await("CSTS.SHST", () -> (fixture.driver.status() & (3 << 2)) == CSTS_SHST_COMPLETE);
            assertThat(fixture.handler.shutdowns.get()).isEqualTo(1);
            fixture.driver.disable();
            assertThat(fixture.driver.status()).isZero();
        }
    }

    @Test
    void shutdownNeedsNoEnabledController() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            fixture.driver.write(CC, 4, CC_SHN_NORMAL);
            NvmeDriver.await("CSTS.SHST", () -> (fixture.driver.status() & (3 << 2)) == CSTS_SHST_COMPLETE);
        }
    }

    @Test
    void anAdminQueueWithoutMemoryIsFatal() {
        try (NvmeFixture fixture = new NvmeFixture()) {
            fixture.driver.setMaster(true);
            fixture.driver.write(AQA, 4, 0x001f_001f);
            fixture.driver.write(ASQ, 8, 0x7777_0000_0000L);
            fixture.driver.write(ACQ, 8, 0x7777_0001_0000L);
            fixture.driver.write(CC, 4, CC_ENABLED);
            NvmeDriver.await("CSTS.RDY", () -> (fixture.driver.status() & CSTS_RDY) != 0);
            fixture.driver.ring(0, 1);
            NvmeDriver.await("CSTS.CFS", () -> (fixture.driver.status() & CSTS_CFS) != 0);
            fixture.start();
            assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).status())
                    .isZero();
        }
    }

    @Test
    void withoutBusMasterNothingIsFetched() throws InterruptedException {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            fixture.driver.setMaster(false);
            fixture.io.submit(NvmeCommand.io(NvmeCommand.READ, 1, 0, 1).prp(fixture.pages(1)));
            Thread.sleep(20);
            assertThat(fixture.io.isDone()).isFalse();
            fixture.driver.setMaster(true);
            assertThat(fixture.io.await().status()).isZero();
        }
    }

    @Test
    void accessesOfAnyKindDoNoHarm() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            for (int width = 1; width <= 8; width *= 2) {
                for (int offset = 0; offset < 0x4000; offset += width) {
                    fixture.driver.read(offset, width);
                    boolean changesState = offset < 0x40 || (offset >= 0x1000 && offset < 0x1010);
                    if (!changesState) {
                        fixture.driver.write(offset, width, -1);
                    }
                }
            }
            assertThat(fixture.io(NvmeCommand.READ, 0, 1, fixture.pages(1), 0).status())
                    .isZero();
            NvmeDriver.await("event", () -> fixture.handler.events.contains("0/0/1"));
        }
    }

    @Test
    void anIdleControllerUsesNoProcessor() throws InterruptedException {
        try (NvmeFixture fixture =
                new NvmeFixture(new MemoryBackend(NvmeFixture.DISK_BYTES), builder -> builder.name("idle"))) {
            fixture.start();
            Thread thread = ThreadUse.threadNamed("idle");
            Thread.sleep(50);
            long before = ThreadUse.cpuNs(thread);
            Thread.sleep(200);
            assertThat(ThreadUse.cpuNs(thread) - before).isLessThan(1_000_000);
        }
    }
}
