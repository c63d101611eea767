package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.vfiopcicore.FakePciFunction.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** Region accesses to BARs (E4, E7), and the MSI-X table laid over one. */
class BarAccessTest {

    private static final int BAR1 = 1;
    private static final int BAR4 = 4;

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void refusesRegionsThatAreNotThere() {
        for (int region : new int[] {2, 3, 5, 6, 8, 9, -1}) {
            assertErrno(Errno.EINVAL, () -> disk.read(region, 0, 4));
            assertErrno(Errno.EINVAL, () -> disk.write(region, 0, 4, 0));
        }
    }

    @Test
    void refusesAccessPastTheEnd() {
        assertErrno(Errno.EINVAL, () -> disk.read(BAR4, 16384, 1));
        assertErrno(Errno.EINVAL, () -> disk.write(BAR4, 16381, 4, 0));
        assertErrno(Errno.EINVAL, () -> disk.read(7, 4094, 4));
        assertErrno(Errno.EINVAL, () -> disk.read(BAR4, -1, 4));
        assertErrno(Errno.EINVAL, () -> disk.read(BAR4, Long.MAX_VALUE, 4));
    }

    @Test
    void answersNothingWhileDecodeIsOff() {
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_IO);
        assertErrno(Errno.EIO, () -> disk.read(BAR4, 0, 4));
        assertErrno(Errno.EIO, () -> disk.write(BAR1, 0, 4, 0));
        assertThat(disk.read(0, 0, 4)).isZero();
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        assertThat(disk.read(BAR4, 0, 4)).isZero();
        assertErrno(Errno.EIO, () -> disk.read(0, 0, 4));
        assertThat(disk.function.barLog).containsExactly("r4@0", "r4@0");
    }

    @Test
    void describesItsRegions() {
        assertThat(disk.file.info().numRegions()).isEqualTo(9);
        assertThat(disk.file.info().numIrqs()).isEqualTo(5);
        long[] sizes = {64, 4096, 0, 0, 16384, 0, 0, 4096, 0};
        for (int i = 0; i < sizes.length; i++) {
            assertThat(disk.file.regionInfo(i).sizeBytes()).isEqualTo(sizes[i]);
            assertThat(disk.file.regionInfo(i).flags()).isEqualTo(sizes[i] == 0 ? 0 : 3);
        }
    }

    @Test
    void cutsAnAccessIntoNaturalPieces() {
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        for (int i = 0; i < 64; i++) {
            buffer.set(ValueLayout.JAVA_BYTE, i, (byte) i);
        }
        disk.file.write(BAR4, 0x1001, buffer, 3, 23);
        assertThat(disk.function.barLog).containsExactly("w1@4097", "w2@4098", "w4@4100", "w8@4104", "w8@4112");
        MemorySegment back = Arena.ofAuto().allocate(64);
        disk.file.read(BAR4, 0x1001, back, 5, 23);
        assertThat(back.asSlice(5, 23).mismatch(buffer.asSlice(3, 23))).isEqualTo(-1);
    }

    @Test
    void msixTableKeepsMessagesAndMasks() {
        assertThat(disk.read(BAR1, 12, 4)).as("masked after reset").isEqualTo(1);
        disk.write(BAR1, 16, 8, 0x1122_3344_5566_7788L);
        disk.write(BAR1, 24, 8, 0xffff_fffe_99aa_bbccL);
        assertThat(disk.read(BAR1, 16, 8)).isEqualTo(0x1122_3344_5566_7788L);
        assertThat(disk.read(BAR1, 24, 8)).as("control keeps its mask bit only").isEqualTo(0x99aa_bbccL);
        disk.write(BAR1, 28, 1, 1);
        assertThat(disk.read(BAR1, 28, 2)).isEqualTo(1);
        disk.write(BAR1, 17, 1, 0xee);
        assertThat(disk.read(BAR1, 16, 4)).isEqualTo(0x5566_ee88L);
        assertThat(disk.function.barLog).isEmpty();
    }

    @Test
    void pendingBitsCannotBeWritten() {
        disk.write(BAR1, PBA_OFFSET, 8, -1);
        assertThat(disk.read(BAR1, PBA_OFFSET, 8)).isZero();
        assertThat(disk.function.barLog).isEmpty();
    }

    @Test
    void besideTheTableTheBarIsTheFunctions() {
        disk.write(BAR1, VECTORS * 16, 4, 0x1234);
        assertThat(disk.function.barLog).containsExactly("w4@128");
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
