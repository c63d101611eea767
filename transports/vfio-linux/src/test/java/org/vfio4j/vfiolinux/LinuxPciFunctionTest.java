package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioRegionMemory;

/** Registers of a function of hardware: what reaches the device, and what its user reads. */
class LinuxPciFunctionTest {

    private final FakeHost host = new FakeHost();

    private LinuxPciFunction function() {
        return new LinuxPciFunction("0000:03:00.0", host, false);
    }

    @Test
    void refusesADeviceThatIsNotOnPciAndClosesIt() {
        host.flags = VFIO_DEVICE_FLAGS_RESET;
        assertErrno(Errno.ENODEV, this::function);
        assertThat(host.closed).isTrue();
    }

    @Test
    void refusesADeviceThatCannotBeReset() {
        host.flags = VFIO_DEVICE_FLAGS_PCI;
        assertErrno(Errno.EOPNOTSUPP, this::function);
        assertThat(host.closed).isTrue();
    }

    @Test
    void refusesABarThatThereCannotBe() {
        host.regionSizes[2] = 0x3000;
        assertErrno(Errno.EPROTO, this::function);
        assertThat(host.closed).isTrue();
    }

    @Test
    void refusesAConfigurationSpaceOfAnotherSize() {
        host.regionSizes[VFIO_PCI_CONFIG_REGION_INDEX] = 1 << 20;
        assertErrno(Errno.EPROTO, this::function);
    }

    @Test
    void hasTheBarsThatHaveAnAddress() {
        host.config.putInt(PCI_BASE_ADDRESS_0 + 8, 0xe001);
        host.regionSizes[2] = 32;
        host.config.putInt(PCI_BASE_ADDRESS_0 + 16, 0xfe00_0000 | PCI_BASE_ADDRESS_MEM_PREFETCH);
        host.regionSizes[4] = 1 << 20;
        host.regionSizes[VFIO_PCI_ROM_REGION_INDEX] = 0x10000;
        LinuxPciFunction function = function();
        assertThat(function.bars())
                .containsExactly(
                        new PciBar(0, 0x4000, PciBar.Kind.MEM64, false),
                        new PciBar(2, 32, PciBar.Kind.IO, false),
                        new PciBar(4, 1 << 20, PciBar.Kind.MEM32, true));
        assertThat(function.romSizeBytes()).isEqualTo(0x10000);
        assertThat(function.configSize()).isEqualTo(256);
    }

    @Test
    void accessesKeepTheirWidth() {
        LinuxPciFunction function = function();
        assertThat(function.barRead(0, 8, 1)).isEqualTo(0xa5);
        assertThat(function.barRead(0, 8, 2)).isEqualTo(0xa5a5);
        assertThat(function.barRead(0, 8, 4)).isEqualTo(0xa5a5a5a5L);
        assertThat(function.barRead(0, 8, 8)).isEqualTo(0xa5a5a5a5a5a5a5a5L);
        function.barWrite(0, 16, 4, 7);
        function.barWrite(0, 24, 8, 9);
        assertThat(function.romRead(2, 2)).isEqualTo(0xa5a5);
        assertThat(host.log)
                .containsExactly(
                        "read 1 of 0 at 8",
                        "read 2 of 0 at 8",
                        "read 4 of 0 at 8",
                        "read 8 of 0 at 8",
                        "write 4 of 0 at 16: 7",
                        "write 8 of 0 at 24: 9",
                        "read 2 of 6 at 2");
    }

    @Test
    void mastersTheBusOnlyWhileItHasMemory() {
        LinuxPciFunction function = function();
        int on = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
        function.configWrite(PCI_COMMAND, 2, on);
        assertThat(host.command()).isEqualTo(PCI_COMMAND_MEMORY);
        assertThat(function.configRead(PCI_COMMAND, 2)).isEqualTo(on);
        try (IoAddressSpace space = new IoAddressSpace(4)) {
            function.attachDma(space);
            assertThat(host.command()).isEqualTo(on);
            function.detachDma();
            assertThat(host.command()).isEqualTo(PCI_COMMAND_MEMORY);
            assertThat(function.configRead(PCI_COMMAND, 4) & 0xffff).isEqualTo(on);
            assertThat(function.configRead(PCI_COMMAND, 1)).isEqualTo(on);
            function.configWrite(PCI_COMMAND, 1, PCI_COMMAND_MEMORY);
            function.attachDma(space);
            assertThat(host.command()).isEqualTo(PCI_COMMAND_MEMORY);
            function.configWrite(PCI_COMMAND, 4, on);
            assertThat(host.command()).isEqualTo(on);
            function.detachDma();
        }
    }

    @Test
    void hasNoMemoryOfTheLastSpace() {
        LinuxPciFunction function = function();
        try (IoAddressSpace space = new IoAddressSpace(4);
                Fd memory = MemFd.create("guest", 4096)) {
            function.attachDma(space);
            Mapping mapping = Mapping.shared(memory, 0, 4096, Mapping.PROT_READ);
            space.map(0x10000, DmaSpace.READ, mapping, new DmaMemory(memory, 0));
            function.detachDma();
            assertThat(host.log).containsExactly("map 10000 1000 1 from 0", "unmap 10000 1000", "unmap all");
            assertThat(space.isFollowed()).isFalse();
            assertErrno(Errno.EBUSY, () -> function.attachDma(space));
        }
    }

    @Test
    void doesNotTouchWhatTheKernelSetsForInterrupts() {
        LinuxPciFunction function = function();
        int msi = function.configRead(FakeHost.MSI + PCI_MSI_FLAGS, 2);
        function.configWrite(FakeHost.MSI + PCI_MSI_FLAGS, 2, msi | PCI_MSI_FLAGS_ENABLE | 0x30);
        function.configWrite(FakeHost.MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
        assertThat(function.configRead(FakeHost.MSI + PCI_MSI_FLAGS, 2)).isEqualTo(msi);
        assertThat(function.configRead(FakeHost.MSIX + PCI_MSIX_FLAGS, 2)).isEqualTo(FakeHost.VECTORS - 1);
        function.configWrite(PCI_CACHE_LINE_SIZE, 1, 16);
        assertThat(host.config.get(PCI_CACHE_LINE_SIZE)).isEqualTo((byte) 16);
    }

    @Test
    void aResetClearsCommandThoughTheKernelRestoresIt() {
        LinuxPciFunction function = function();
        host.config.putShort(PCI_COMMAND, (short) (PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE | 0x100));
        function.configWrite(PCI_COMMAND, 1, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        function.reset();
        assertThat(host.log).containsExactly("reset");
        assertThat(host.command()).isEqualTo(0x100);
        assertThat(function.configRead(PCI_COMMAND, 2)).isEqualTo(0x100);
    }

    @Test
    void whoOnlyLooksSeesOnesWhereTheDeviceIsGone() {
        LinuxPciFunction function = function();
        host.gone = true;
        assertThat(function.configPeek(0, 4)).isEqualTo(-1);
        assertThat(function.configPeek(0, 2)).isEqualTo(0xffff);
        assertErrno(Errno.EIO, () -> function.configRead(0, 4));
    }

    @Test
    void givesItsBarsToBeMappedOnlyWhereItMay() {
        try (Fd device = Fd.none()) {
            host.memory = Optional.of(new VfioRegionMemory(device, 1L << 40));
            assertThat(function().barMemory(0)).isEmpty();
            LinuxPciFunction trusting = new LinuxPciFunction("0000:03:00.0", host, true);
            assertThat(trusting.barMemory(0)).hasValueSatisfying(memory -> {
                assertThat(memory.offset()).isEqualTo(1L << 40);
                assertThat(memory.areas()).containsExactly(new BarMemory.Area(0, 0x4000));
            });
        }
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
