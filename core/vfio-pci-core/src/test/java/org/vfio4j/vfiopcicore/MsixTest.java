package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.FakePciFunction.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/** MSI-X: PCI Local Bus 3.0, 6.8.2 (E6 and its extras). */
class MsixTest {

    private static final int X = VFIO_PCI_MSIX_IRQ_INDEX;
    private static final int BAR1 = 1;

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void refusesAnotherKindWhileItIsEnabled() {
        disk.assign(X, 0, 1);
        for (int other : new int[] {VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX}) {
            assertThatThrownBy(() -> disk.assign(other, 0, 1))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
        }
        disk.disable(X);
        disk.assign(VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
        assertThatThrownBy(() -> disk.assign(X, 0, 1)).hasMessageContaining("MSI-X");
    }

    @Test
    void refusesToTriggerWhatIsNotEnabled() {
        assertThatThrownBy(() -> disk.trigger(X, 0)).hasMessageContaining("not enabled");
    }

    @Test
    void tellsTheFunctionByItsOwnEnableBit() {
        disk.assign(X, 0, 1);
        assertThat(disk.function.configRead(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(0x8000 | VECTORS - 1);
        assertThat(disk.function.configRead(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE)
                .isNotZero();
        assertThat(disk.config(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(0x8000 | VECTORS - 1);
        assertThat(disk.config(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE).isZero();
        disk.disable(X);
        assertThat(disk.function.configRead(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(VECTORS - 1);
        assertThat(disk.function.configRead(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE)
                .isZero();
    }

    @Test
    void aVectorAddedLaterLeavesTheOthersAsTheyAre() {
        assertThat(disk.file.irqInfo(X).flags() & VFIO_IRQ_INFO_NORESIZE).isZero();
        List<Fd> first = disk.assign(X, 0, 2);
        disk.mask(X, 1);
        disk.function.sink.msi(0);
        disk.function.sink.msi(1);
        List<Fd> late = disk.assign(X, 5, 1);
        disk.function.sink.msi(5);
        assertThat(signals(late.getFirst())).isEqualTo(1);
        assertThat(signals(first.get(0))).as("neither lost nor sent again").isEqualTo(1);
        assertThat(signals(first.get(1))).as("still masked").isZero();
        disk.unmask(X, 1);
        assertThat(signals(first.get(1))).isEqualTo(1);
        assertThat(disk.function.enables).as("the function was enabled once").isEqualTo(1);
    }

    @Test
    void aResetKeepsItEnabled() {
        List<Fd> fds = disk.assign(X, 0, 1);
        disk.file.reset();
        assertThat(disk.function.configRead(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(0x8000 | VECTORS - 1);
        disk.function.sink.msi(0);
        assertThat(signals(fds.getFirst())).isEqualTo(1);
    }

    @Test
    void eachVectorGoesToItsOwnEventFd() {
        List<Fd> fds = disk.assign(X, 2, 3);
        disk.function.sink.msi(3);
        disk.function.sink.msi(3);
        disk.function.sink.msi(4);
        assertThat(fds.stream().map(OpenCore::signals)).containsExactly(0L, 2L, 1L);
    }

    @Test
    void vectorsOutOfRangeAreDropped() {
        disk.assign(X, 0, VECTORS);
        disk.function.sink.msi(VECTORS);
        disk.function.sink.msi(-1);
        disk.function.sink.msi(Integer.MAX_VALUE);
        assertThat(pending()).isZero();
    }

    @Test
    void loopbackTriggersByNoneAndByBools() {
        List<Fd> fds = disk.assign(X, 0, 3);
        disk.trigger(X, 1);
        disk.file.setIrqs(VfioIrqSet.bools(
                VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, X, 0, 3, List.of(false, true, true)));
        assertThat(fds.stream().map(OpenCore::signals)).containsExactly(0L, 2L, 1L);
    }

    @Test
    void loopbackOfAVectorThatGoesNowhereIsNothing() {
        disk.deassign(X, 0, 1);
        disk.trigger(X, 0);
        assertThat(pending()).isZero();
    }

    @Test
    void enablingWithoutAnyDescriptorIsFine() {
        disk.deassign(X, 0, 1);
        assertThat(disk.function.configRead(MSIX + PCI_MSIX_FLAGS, 2) & 0x8000).isNotZero();
    }

    @Test
    void reassignClosesTheOldDescriptor() {
        Fd old = disk.assign(X, 1, 1).getFirst();
        Fd now = disk.assign(X, 1, 1).getFirst();
        disk.function.sink.msi(1);
        assertThat(signals(old)).isZero();
        assertThat(signals(now)).isEqualTo(1);
    }

    @Test
    void deassignFromTheMiddleLeavesTheOthers() {
        List<Fd> fds = disk.assign(X, 0, 4);
        disk.deassign(X, 1, 2);
        for (int i = 0; i < 4; i++) {
            disk.function.sink.msi(i);
        }
        assertThat(fds.stream().map(OpenCore::signals)).containsExactly(1L, 0L, 0L, 1L);
    }

    @Test
    void aMaskedVectorIsPendingAndFiresOnceWhenUnmasked() {
        Fd fd = disk.assign(X, 5, 1).getFirst();
        disk.mask(X, 5);
        disk.function.sink.msi(5);
        disk.function.sink.msi(5);
        assertThat(signals(fd)).isZero();
        assertThat(pending()).isEqualTo(1L << 5);
        disk.unmask(X, 5);
        assertThat(signals(fd)).isEqualTo(1);
        assertThat(pending()).isZero();
        disk.unmask(X, 5);
        assertThat(signals(fd)).isZero();
    }

    @Test
    void theTablesMaskBitDoesTheSame() {
        Fd fd = disk.assign(X, 0, 1).getFirst();
        assertThat(disk.read(BAR1, 12, 4)).as("assigning unmasks").isZero();
        disk.write(BAR1, 12, 4, 1);
        disk.function.sink.msi(0);
        assertThat(pending()).isEqualTo(1);
        assertThat(disk.read(BAR1, PBA_OFFSET, 1)).isEqualTo(1);
        disk.write(BAR1, 12, 4, 0);
        assertThat(signals(fd)).isEqualTo(1);
    }

    @Test
    void aMaskOfTheUserOutlivesReassignment() {
        disk.write(BAR1, 12, 4, 1);
        Fd fd = disk.assign(X, 0, 1).getFirst();
        disk.function.sink.msi(0);
        assertThat(signals(fd)).isZero();
        disk.write(BAR1, 12, 4, 0);
        assertThat(signals(fd)).isEqualTo(1);
    }

    @Test
    void theFunctionMaskHoldsAllVectors() {
        List<Fd> fds = disk.assign(X, 0, 2);
        disk.mask(X, 1);
        disk.config(MSIX + PCI_MSIX_FLAGS, 2, 0xc000);
        disk.function.sink.msi(0);
        disk.function.sink.msi(1);
        assertThat(pending()).isEqualTo(3);
        disk.config(MSIX + PCI_MSIX_FLAGS, 2, 0x8000);
        assertThat(fds.stream().map(OpenCore::signals)).containsExactly(1L, 0L);
        assertThat(pending()).isEqualTo(2);
    }

    @Test
    void anInterruptBetweenTwoDescriptorsIsNotLost() {
        disk.assign(X, 0, 1);
        disk.deassign(X, 0, 1);
        disk.function.sink.msi(0);
        assertThat(pending()).isEqualTo(1);
        assertThat(signals(disk.assign(X, 0, 1).getFirst())).isEqualTo(1);
    }

    @Test
    void disabledVectorsDropTheirInterrupts() {
        disk.function.sink.msi(0);
        assertThat(signals(disk.assign(X, 0, 1).getFirst())).isZero();
        disk.disable(X);
        disk.function.sink.msi(0);
        assertThat(signals(disk.assign(X, 0, 1).getFirst())).isZero();
    }

    @Test
    void aResetForgetsPendingInterrupts() {
        Fd fd = disk.assign(X, 0, 1).getFirst();
        disk.mask(X, 0);
        disk.function.sink.msi(0);
        disk.file.reset();
        assertThat(pending()).isZero();
        disk.unmask(X, 0);
        assertThat(signals(fd)).isZero();
    }

    @Test
    void aResetAndADisableTakeMasksBack() {
        Fd fd = disk.assign(X, 0, 1).getFirst();
        disk.write(BAR1, 12, 4, 1);
        disk.config(MSIX + PCI_MSIX_FLAGS, 2, 0xc000);
        disk.file.reset();
        assertThat(disk.config(MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(0x8000 | (VECTORS - 1));
        assertThat(disk.read(BAR1, 12, 4)).isZero();
        disk.function.sink.msi(0);
        assertThat(signals(fd)).isEqualTo(1);
        disk.mask(X, 0);
        disk.config(MSIX + PCI_MSIX_FLAGS, 2, 0xc000);
        disk.disable(X);
        assertThat(disk.read(BAR1, 12, 4)).as("masked, as after reset").isEqualTo(1);
        Fd next = disk.assign(X, 0, 1).getFirst();
        disk.function.sink.msi(0);
        assertThat(signals(next)).as("the last user's masks are gone").isEqualTo(1);
    }

    @Test
    void closingClosesEveryDescriptorAndDisconnects() {
        OpenCore other = OpenCore.disk();
        List<Fd> fds = other.assign(X, 0, VECTORS);
        var sink = other.function.sink;
        other.close();
        sink.msi(0);
        assertThat(signals(fds.getFirst())).isZero();
        assertThat(other.function.sink).isSameAs(IrqSink.NONE);
    }

    private long pending() {
        return disk.read(BAR1, PBA_OFFSET, 8);
    }
}
