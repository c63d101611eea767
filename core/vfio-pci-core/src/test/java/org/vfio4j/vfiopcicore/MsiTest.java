package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSI_IRQ_INDEX;
import static org.vfio4j.vfiopcicore.FakePciFunction.MSI;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Fd;

/** MSI: PCI Local Bus 3.0, 6.8.1. */
class MsiTest {

    private static final int M = VFIO_PCI_MSI_IRQ_INDEX;

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void hasAsManyVectorsAsTheCapabilitySays() {
        assertThat(disk.file.irqInfo(M).count()).isEqualTo(4);
    }

    @Test
    void tellsTheFunctionHowManyMessagesItHas() {
        disk.assign(M, 0, 1);
        assertThat(control()).isEqualTo(PCI_MSI_FLAGS_ENABLE);
        disk.assign(M, 1, 2);
        assertThat(control()).isEqualTo(PCI_MSI_FLAGS_ENABLE | 2 << 4);
        disk.deassign(M, 0, 1);
        assertThat(control()).isEqualTo(PCI_MSI_FLAGS_ENABLE | 2 << 4);
        disk.disable(M);
        assertThat(control()).isZero();
    }

    @Test
    void maskAndPendingRegistersActOnTheVectors() {
        List<Fd> fds = disk.assign(M, 0, 4);
        disk.config(MSI + PCI_MSI_MASK_64, 4, 0b0101);
        assertThat(disk.config(MSI + PCI_MSI_MASK_64, 4)).isEqualTo(0b0101);
        for (int i = 0; i < 4; i++) {
            disk.function.sink.msi(i);
        }
        assertThat(fds.stream().map(OpenCore::signals)).containsExactly(0L, 1L, 0L, 1L);
        assertThat(disk.config(MSI + PCI_MSI_PENDING_64, 4)).isEqualTo(0b0101);
        disk.config(MSI + PCI_MSI_PENDING_64, 4, 0);
        assertThat(disk.config(MSI + PCI_MSI_PENDING_64, 4)).isEqualTo(0b0101);
        disk.config(MSI + PCI_MSI_MASK_64, 1, 0b0100);
        assertThat(fds.stream().map(OpenCore::signals)).containsExactly(1L, 0L, 0L, 0L);
        disk.config(MSI + PCI_MSI_MASK_64, 4, -1);
        assertThat(disk.config(MSI + PCI_MSI_MASK_64, 4)).isEqualTo(0b1111);
    }

    @Test
    void setIrqsMasksShowInTheRegister() {
        Fd fd = disk.assign(M, 0, 2).getLast();
        disk.mask(M, 1);
        assertThat(disk.config(MSI + PCI_MSI_MASK_64, 4)).isEqualTo(0b0010);
        disk.function.sink.msi(1);
        disk.unmask(M, 1);
        assertThat(signals(fd)).isEqualTo(1);
    }

    private int control() {
        return disk.function.configRead(MSI + PCI_MSI_FLAGS, 2) & (PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
    }
}
