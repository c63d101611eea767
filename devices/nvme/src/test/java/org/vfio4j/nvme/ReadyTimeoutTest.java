package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** CAP.TO and CSTS.CFS: NVM Express Base 2.0, 3.1.3.1 and 3.1.3.6. */
class ReadyTimeoutTest {

    private static final long HALF_SECOND_NS = 500_000_000;

    private final AtomicLong now = new AtomicLong(-5);
    private final NvmeRegisters registers = new NvmeRegisters(new Nothing(), now::get);
    private final long limitNs = ((registers.read(REG_CAP, 8) >>> CAP_TO_SHIFT) & 0xff) * HALF_SECOND_NS;

    @Test
    void theLimitIsLongerThanStorageUsuallyNeeds() {
        assertThat(limitNs).isGreaterThan(30_000_000_000L);
    }

    @Test
    void aResetThatTakesTooLongIsFatalUntilItIsOver() {
        registers.setStatus(CSTS_RDY);
        registers.write(REG_CC, 4, CC_EN);
        now.addAndGet(1_000 * HALF_SECOND_NS);
        assertThat(status()).as("enabled for long").isEqualTo(CSTS_RDY);
        registers.write(REG_CC, 4, 0);
        now.addAndGet(limitNs);
        assertThat(status()).isEqualTo(CSTS_RDY);
        now.addAndGet(1);
        assertThat(status()).isEqualTo(CSTS_RDY | CSTS_CFS);
        registers.controllerReset();
        assertThat(status()).isZero();
    }

    @Test
    void soIsAnEnablingThatTakesTooLong() {
        registers.write(REG_CC, 4, CC_EN);
        now.addAndGet(limitNs + 1);
        assertThat(status()).isEqualTo(CSTS_CFS);
        registers.setStatus(CSTS_RDY);
        assertThat(status()).isEqualTo(CSTS_RDY);
    }

    private int status() {
        return (int) registers.read(REG_CSTS, 4);
    }

    /** What would be done takes as long as the test likes. */
    private static final class Nothing implements NvmeRegisters.Effects {

        @Override
        public void enable() {}

        @Override
        public void disable() {}

        @Override
        public void shutdown() {}

        @Override
        public void interruptMaskChanged() {}
    }
}
