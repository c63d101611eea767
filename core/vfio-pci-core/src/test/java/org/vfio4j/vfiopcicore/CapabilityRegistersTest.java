package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.vfiopcicore.FakePciFunction.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** What writing to capabilities does (E8). */
class CapabilityRegistersTest {

    private static final int BAR4 = 4;

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void powerStatesReachTheFunctionAndD3hotDecodesNothing() {
        disk.config(PM + PCI_PM_CTRL, 2, 3);
        assertThat(disk.config(PM + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK).isEqualTo(3);
        assertThatThrownBy(() -> disk.read(BAR4, 0, 4))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EIO));
        disk.config(PM + PCI_PM_CTRL, 1, 0);
        assertThat(disk.config(PM + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK).isZero();
        assertThat(disk.read(BAR4, 0, 4)).isZero();
    }

    @Test
    void wakingFromD3hotWithSoftResetFindsTheOldSettings() {
        disk.function.set(PM + PCI_PM_CTRL, 2, 0);
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        disk.config(PM + PCI_PM_CTRL, 2, 3);
        disk.function.set(PCI_COMMAND, 2, 0);
        disk.config(PM + PCI_PM_CTRL, 2, 0);
        assertThat(disk.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }

    @Test
    void powerStatesThatTheFunctionLacksAreIgnored() {
        disk.config(PM + PCI_PM_CTRL, 2, 1);
        assertThat(disk.config(PM + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK).isZero();
    }

    @Test
    void wakeUpEventsAreHidden() {
        assertThat(disk.config(PM + PCI_PM_PMC, 2)).isEqualTo(3);
        disk.config(PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS);
        assertThat(disk.config(PM + PCI_PM_CTRL, 2)).isEqualTo(PCI_PM_CTRL_NO_SOFT_RESET);
        assertThat(disk.function.configRead(PM + PCI_PM_CTRL, 2)).isEqualTo(PCI_PM_CTRL_NO_SOFT_RESET);
    }

    @Test
    void flrBitIsExactlyOneReset() {
        int resets = disk.function.resets;
        disk.config(EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
        assertThat(disk.function.resets).isEqualTo(resets + 1);
        assertThat(disk.config(EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR)
                .isZero();
        disk.config(EXP + PCI_EXP_DEVCTL + 1, 1, 0x80);
        assertThat(disk.function.resets).isEqualTo(resets + 2);
        disk.config(EXP + PCI_EXP_DEVCTL, 2, 0);
        assertThat(disk.function.resets).isEqualTo(resets + 2);
    }

    @Test
    void flrKeepsWhatTheUserHasSetUp() {
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        disk.config(PCI_BASE_ADDRESS_1, 4, 0x8000_0000);
        disk.config(EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
        assertThat(disk.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        assertThat(disk.config(PCI_BASE_ADDRESS_1, 4)).isEqualTo(0x8000_0000);
        assertThat(disk.read(BAR4, 0, 4)).isZero();
    }

    @Test
    void flrBitOfAFunctionWithoutFlrDoesNothing() {
        FakePciFunction f = FakePciFunction.disk();
        f.set(EXP + PCI_EXP_DEVCAP, 4, 0);
        f.set(AF + PCI_AF_CAP, 1, 0);
        f.done();
        try (OpenCore core = new OpenCore(f)) {
            int resets = f.resets;
            core.config(EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
            core.config(AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
            assertThat(f.resets).isEqualTo(resets);
            assertThat(core.config(EXP + PCI_EXP_DEVCTL, 2)).isZero();
        }
    }

    @Test
    void advancedFeaturesFlrIsExactlyOneReset() {
        int resets = disk.function.resets;
        disk.config(AF + PCI_AF_CTRL, 2, PCI_AF_CTRL_FLR);
        assertThat(disk.function.resets).isEqualTo(resets + 1);
        assertThat(disk.config(AF + PCI_AF_CTRL, 1)).isZero();
    }

    @Test
    void payloadSizeIsVirtualAndReadRequestsAreNoSmaller() {
        disk.config(EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_PAYLOAD_4096B | PCI_EXP_DEVCTL_READRQ_128B);
        assertThat(disk.config(EXP + PCI_EXP_DEVCTL, 2))
                .isEqualTo(PCI_EXP_DEVCTL_PAYLOAD_4096B | PCI_EXP_DEVCTL_READRQ_128B);
        assertThat(disk.function.configRead(EXP + PCI_EXP_DEVCTL, 2))
                .isEqualTo(PCI_EXP_DEVCTL_PAYLOAD_256B | PCI_EXP_DEVCTL_READRQ_256B);
    }

    @Test
    void deviceControl2AndLinkControl2AreWritable() {
        disk.config(EXP + PCI_EXP_DEVCTL2, 2, 0x000f);
        assertThat(disk.function.configRead(EXP + PCI_EXP_DEVCTL2, 2)).isEqualTo(0x000f);
        disk.config(EXP + PCI_EXP_LNKCTL2, 2, 0x0003);
        assertThat(disk.config(EXP + PCI_EXP_LNKCTL2, 2)).isEqualTo(0x0003);
    }

    @Test
    void msixControlKeepsEnableAndFunctionMaskOnly() {
        disk.config(MSIX + PCI_MSIX_FLAGS, 2, 0xffff);
        assertThat(disk.config(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(0xc000 | VECTORS - 1);
        assertThat(disk.function.configRead(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(VECTORS - 1);
        disk.config(MSIX + PCI_MSIX_TABLE, 4, -1);
        assertThat(disk.config(MSIX + PCI_MSIX_TABLE, 4)).isEqualTo(1);
    }

    @Test
    void msiTakesNoMoreMessagesThanThereAre() {
        int fixed = PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1;
        disk.config(MSI + PCI_MSI_FLAGS, 2, 7 << 4);
        assertThat(disk.config(MSI + PCI_MSI_FLAGS, 2)).isEqualTo(fixed | 2 << 4);
        disk.config(MSI + PCI_MSI_FLAGS, 2, 1 << 4 | PCI_MSI_FLAGS_ENABLE);
        assertThat(disk.config(MSI + PCI_MSI_FLAGS, 2)).isEqualTo(fixed | 1 << 4 | PCI_MSI_FLAGS_ENABLE);
        assertThat(disk.function.configRead(MSI + PCI_MSI_FLAGS, 2)).isEqualTo(fixed);
    }
}
