package org.vfio4j.vfiopcicore;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_BUS_MASTER;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_CLEAR_MASTER;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET_MASTER;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciBar;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** The standard header, PCI Local Bus 3.0, 6.1 and 6.2 (E4: BAR sizing). */
class ConfigHeaderTest {

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void refusesABridge() {
        FakePciFunction bridge = FakePciFunction.disk();
        bridge.set(PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE | 0x80);
        assertThatThrownBy(() -> new VfioPciCore("test", bridge))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
    }

    @Test
    void keepsReadOnlyRegisters() {
        for (int offset : new int[] {PCI_VENDOR_ID, PCI_CLASS_REVISION, PCI_SUBSYSTEM_VENDOR_ID, PCI_CAPABILITY_LIST}) {
            int before = disk.config(offset, 4);
            disk.config(offset, 4, ~before);
            assertThat(disk.config(offset, 4)).isEqualTo(before);
        }
        disk.config(PCI_INTERRUPT_PIN, 1, 3);
        assertThat(disk.config(PCI_INTERRUPT_PIN, 1)).isEqualTo(1);
    }

    @Test
    void decodesMemoryAndIoAtOpenButIsNoBusMaster() {
        assertThat(disk.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
        assertThat(disk.function.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
    }

    @Test
    void passesBusMasterThrough() {
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        assertThat(disk.function.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        assertThat(disk.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }

    @Test
    void turnsBusMasterOnAndOffAsADeviceFeature() {
        int flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_BUS_MASTER;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment op = arena.allocateFrom(JAVA_INT, VFIO_DEVICE_FEATURE_SET_MASTER);
            disk.file.feature(flags, op);
            assertThat(disk.config(PCI_COMMAND, 2) & PCI_COMMAND_MASTER).isNotZero();
            op.set(JAVA_INT, 0, VFIO_DEVICE_FEATURE_CLEAR_MASTER);
            disk.file.feature(flags, op);
            assertThat(disk.function.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
            op.set(JAVA_INT, 0, 2);
            assertThatThrownBy(() -> disk.file.feature(flags, op)).hasMessageContaining("EINVAL");
        }
    }

    @Test
    void intxDisableReachesAFunctionThatKeepsIt() {
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
        assertThat(disk.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
        assertThat(disk.function.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
        disk.function.mask(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        disk.function.set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        try (OpenCore other = new OpenCore(disk.function)) {
            other.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
            assertThat(other.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
            assertThat(other.function.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY);
        }
    }

    @Test
    void remembersTheInterruptLine() {
        disk.config(PCI_INTERRUPT_LINE, 1, 11);
        assertThat(disk.config(PCI_INTERRUPT_LINE, 1)).isEqualTo(11);
        assertThat(disk.function.configRead(PCI_INTERRUPT_LINE, 1)).isZero();
    }

    @Test
    void sizesBarsByAllOnes() {
        assertThat(size(PCI_BASE_ADDRESS_0)).isEqualTo(0xffff_ffc1);
        assertThat(size(PCI_BASE_ADDRESS_1)).isEqualTo(0xffff_f000);
        assertThat(size(PCI_BASE_ADDRESS_2)).isZero();
        assertThat(size(PCI_BASE_ADDRESS_4)).isEqualTo(0xffff_c00c);
        assertThat(size(PCI_BASE_ADDRESS_5)).isEqualTo(-1);
        assertThat(size(PCI_ROM_ADDRESS)).isZero();
    }

    @Test
    void sizesBarsBeyondFourGigabytes() {
        FakePciFunction large = new FakePciFunction(4096);
        large.bar(new PciBar(2, 16L << 30, PciBar.Kind.MEM64, false));
        large.done();
        try (OpenCore core = new OpenCore(large)) {
            core.config(PCI_BASE_ADDRESS_2, 4, -1);
            core.config(PCI_BASE_ADDRESS_3, 4, -1);
            assertThat(core.config(PCI_BASE_ADDRESS_2, 4)).isEqualTo(4);
            assertThat(core.config(PCI_BASE_ADDRESS_3, 4)).isEqualTo(0xffff_fffc);
        }
    }

    @Test
    void barsKeepTheUsersAddressAndTheFunctionItsOwn() {
        disk.config(PCI_BASE_ADDRESS_4, 4, 0xfebf_4321);
        disk.config(PCI_BASE_ADDRESS_5, 4, 0x12);
        assertThat(disk.config(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0xfebf_400c);
        assertThat(disk.config(PCI_BASE_ADDRESS_5, 4)).isEqualTo(0x12);
        assertThat(disk.function.configRead(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0xc);
    }

    @Test
    void splitsAccessesOfAnyAlignment() {
        disk.config(PCI_BASE_ADDRESS_1, 4, 0xabcd_e000);
        assertThat(disk.config(PCI_BASE_ADDRESS_1 + 1, 3)).isEqualTo(0xabcde0);
        disk.config(PCI_BASE_ADDRESS_1 + 3, 1, 0x12);
        disk.config(PCI_BASE_ADDRESS_1 + 1, 2, 0x3456);
        assertThat(disk.config(PCI_BASE_ADDRESS_1, 4)).isEqualTo(0x1234_5000);
        assertThat(disk.read(7, PCI_VENDOR_ID, 8)).isEqualTo(0x0010_0003_1042_1af4L);
    }

    @Test
    void restoresBarsAfterAResetBehindItsBack() {
        disk.function.configWrite(PCI_BASE_ADDRESS_4, 4, 0xc000_0000);
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        assertThat(disk.function.configRead(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0xc);
    }

    @Test
    void theRomsAddressIsRestoredWithThem() {
        FakePciFunction placed = FakePciFunction.disk();
        placed.mask(PCI_ROM_ADDRESS, 4, 0xffff_f801);
        placed.configWrite(PCI_ROM_ADDRESS, 4, 0x9000_0000);
        try (OpenCore core = new OpenCore(placed)) {
            core.file.reset();
            assertThat(placed.configRead(PCI_ROM_ADDRESS, 4)).isEqualTo(0x9000_0000);
            placed.configWrite(PCI_ROM_ADDRESS, 4, 0);
            core.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
            assertThat(placed.configRead(PCI_ROM_ADDRESS, 4)).isEqualTo(0x9000_0000);
        }
    }

    @Test
    void aFunctionWithoutAMemoryBitDecodesMemoryWhateverItsUserWrites() {
        FakePciFunction vf = FakePciFunction.disk();
        vf.mask(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
        vf.done();
        try (OpenCore core = new OpenCore(vf)) {
            assertThat(core.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY);
            core.config(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
            assertThat(core.config(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MASTER);
            assertThat(core.read(4, 0, 4)).as("memory at BAR 4").isZero();
        }
    }

    @Test
    void theBusesAddressesOutliveEveryReset() {
        FakePciFunction placed = FakePciFunction.disk();
        placed.configWrite(PCI_BASE_ADDRESS_4, 4, 0x8000_0000);
        try (OpenCore core = new OpenCore(placed)) {
            assertThat(core.config(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0x8000_000c);
            assertThat(placed.configRead(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0x8000_000c);
            core.file.reset();
            assertThat(placed.configRead(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0x8000_000c);
        }
        assertThat(placed.configRead(PCI_BASE_ADDRESS_4, 4)).isEqualTo(0x8000_000c);
    }

    private int size(int register) {
        disk.config(register, 4, -1);
        return disk.config(register, 4);
    }
}
