package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_ROM_ADDRESS;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_ROM_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The expansion ROM (PCI Local Bus 3.0, 6.2.5.2 and 6.3). */
class RomTest {

    private static final int ROM = VFIO_PCI_ROM_REGION_INDEX;
    private static final int SIZE = 4096;

    private OpenCore disk;

    @BeforeEach
    void open() {
        FakePciFunction function = FakePciFunction.disk();
        function.rom = new byte[SIZE];
        for (int i = 0; i < SIZE; i++) {
            function.rom[i] = (byte) i;
        }
        disk = new OpenCore(function);
    }

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void refusesWritesAndReadsPastItsEnd() {
        assertErrno(EINVAL, () -> disk.write(ROM, 0, 4, 1));
        assertErrno(EINVAL, () -> disk.read(ROM, SIZE - 3, 4));
    }

    @Test
    void answersNothingWhileMemoryDecodeIsOff() {
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_IO);
        assertErrno(EIO, () -> disk.read(ROM, 0, 4));
    }

    @Test
    void isReadAtAnyAlignment() {
        assertThat(disk.file.regionInfo(ROM).flags()).isEqualTo(VFIO_REGION_INFO_FLAG_READ);
        assertThat(disk.file.regionInfo(ROM).sizeBytes()).isEqualTo(SIZE);
        assertThat(disk.read(ROM, 0x13, 7)).isEqualTo(0x19_1817_1615_1413L);
    }

    @Test
    void isReadWhateverTheUsersEnableBitSays() {
        disk.config(PCI_ROM_ADDRESS, 4, 0xfeb0_0000);
        assertThat(disk.read(ROM, 1, 1)).isEqualTo(1);
    }

    @Test
    void itsRegisterIsSizedByAllOnesAndTakesItsEnableBit() {
        disk.config(PCI_ROM_ADDRESS, 4, -1);
        assertThat(disk.config(PCI_ROM_ADDRESS, 4)).isEqualTo(0xffff_f001);
        disk.config(PCI_ROM_ADDRESS, 4, 0xfeb0_07fe);
        assertThat(disk.config(PCI_ROM_ADDRESS, 4)).isEqualTo(0xfeb0_0000);
        assertThat(disk.function.configRead(PCI_ROM_ADDRESS, 4))
                .as("the function's own is the bus's affair")
                .isZero();
    }

    @Test
    void aTrapSeesItToo() {
        disk.core.trap(ROM, 4, 4, new VfioPciTrapHandler() {});
        assertThat(disk.read(ROM, 2, 4)).isEqualTo(0x0504_0302);
    }
}
