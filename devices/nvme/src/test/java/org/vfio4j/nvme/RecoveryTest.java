package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.nvmedriver.NvmeDriver.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.StateJournal;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.sys.Mapping;

/** A controller in the place of one that has died: NVM Express Base 2.0, 3.1.3.6 and 9.5. */
class RecoveryTest {

    private static final int CC_SHN_NORMAL = 1 << 14;
    private static final int CSTS_SHST_COMPLETE = 2 << 2;

    private final Mapping memory = Mapping.anonymous(1 << 16);

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void saysThatItHasFailedAndWorksAfterItsDriverHasResetIt() {
        try (NvmeFixture first = new NvmeFixture();
                NvmeFixture second = new NvmeFixture()) {
            recover(first);
            first.start();
            assertThat(first.io(2, 0, 1, first.pages(1), 0).status()).isZero();
            journal(first).freeze();
            recover(second);
            assertThat(second.driver.status()).isEqualTo(CSTS_RDY | CSTS_CFS);
            for (int property : new int[] {CC, AQA}) {
                assertThat(second.driver.read(property, 4)).isEqualTo(first.driver.read(property, 4));
            }
            for (int property : new int[] {ASQ, ACQ}) {
                assertThat(second.driver.read(property, 8)).isEqualTo(first.driver.read(property, 8));
            }
            second.driver.ring(2, 1);
            assertThat(second.nvme.counters().doorbells())
                    .as("queues that are not there")
                    .isZero();
            second.driver.disable();
            assertThat(second.driver.status()).isZero();
            second.start();
            long page = second.pages(1);
            assertThat(second.io(2, 0, 1, page, 0).status()).isZero();
        }
    }

    @Test
    void oneThatWasNotEnabledIsAsItWas() {
        try (NvmeFixture first = new NvmeFixture();
                NvmeFixture second = new NvmeFixture();
                NvmeFixture third = new NvmeFixture()) {
            recover(first);
            recover(second);
            assertThat(second.driver.status()).isZero();
            second.start();
            second.driver.disable();
            journal(second).freeze();
            recover(third);
            assertThat(third.driver.status()).isZero();
            assertThat(third.driver.read(CC, 4)).isEqualTo(second.driver.read(CC, 4));
        }
    }

    /** Nobody can go on with it, then, which is no reason not to serve its driver. */
    @Test
    void oneWithMoreThanCanBeKeptIsEnabledAllTheSame() {
        try (NvmeFixture first = new NvmeFixture();
                NvmeFixture second = new NvmeFixture()) {
            recover(first);
            first.handler.saved = new byte[1 << 20];
            first.start();
            assertThat(first.driver.status()).isEqualTo(CSTS_RDY);
            journal(first).freeze();
            recover(second);
            assertThat(second.driver.status()).isEqualTo(CSTS_RDY | CSTS_CFS);
        }
    }

    @Test
    void aResetIsKept() {
        try (NvmeFixture first = new NvmeFixture();
                NvmeFixture second = new NvmeFixture()) {
            recover(first);
            first.start();
            first.nvme.function().reset();
            recover(second);
            assertThat(second.driver.status()).isZero();
            assertThat(second.driver.read(CC, 4)).isZero();
        }
    }

    @Test
    void aShutdownIsFinishedByTheNext() {
        try (NvmeFixture first = new NvmeFixture();
                NvmeFixture second = new NvmeFixture()) {
            recover(first);
            first.start();
            first.driver.write(CC, 4, CC_ENABLED | CC_SHN_NORMAL);
            journal(first).freeze();
            recover(second);
            NvmeDriver.await("CSTS.SHST", () -> (second.driver.status() & CSTS_SHST_COMPLETE) != 0);
        }
    }

    @Test
    void refusesWhatAnotherKindOfFunctionHasKept() {
        new StateJournal(memory.address(), 28).write(new byte[7]);
        try (NvmeFixture fixture = new NvmeFixture()) {
            assertThatThrownBy(() -> recover(fixture)).hasMessageContaining("7 bytes");
            assertThat(fixture.driver.status()).isZero();
        }
    }

    private void recover(NvmeFixture fixture) {
        FunctionState state =
                fixture.nvme.function().platform(FunctionState.class).orElseThrow();
        state.suspend();
        journal(fixture).recover(memory.address());
        state.resume();
    }

    private static FunctionJournal journal(NvmeFixture fixture) {
        return fixture.nvme.function().platform(FunctionJournal.class).orElseThrow();
    }
}
