package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.vfio.FakeDeviceOps.REGION_BYTES;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;

/** An open device of this process: region ranges (E3, E4, E5, E7), memory, close. */
class LocalDeviceFileTest {

    private final FakeDeviceOps ops = new FakeDeviceOps();
    private final VfioRegistry registry = new VfioRegistry();
    private final LocalDeviceFile file;
    private final MemorySegment buffer = Arena.ofAuto().allocate(REGION_BYTES * 2);

    LocalDeviceFileTest() {
        registry.register(ops, () -> () -> {}, "0000:08:00.0");
        file = registry.open("vfio0");
        ops.log.clear();
    }

    @AfterEach
    void close() {
        file.close();
    }

    @Test
    void refusesIndicesThatAreNotThere() {
        for (int index : new int[] {-1, 3, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            assertErrno(Errno.EINVAL, () -> file.regionInfo(index));
            assertErrno(Errno.EINVAL, () -> file.irqInfo(index));
            assertErrno(Errno.EINVAL, () -> file.read(index, 0, buffer, 0, 1));
            assertErrno(Errno.EINVAL, () -> file.write(index, 0, buffer, 0, 0));
        }
        assertErrno(Errno.EINVAL, () -> file.irqInfo(2));
    }

    @Test
    void takesOverTheDescriptorOfAFeatureThatItRefuses() {
        for (int flags : new int[] {1 << 17 | 1000, 1 << 16 | 1000, 3 << 16, -1}) {
            Fd descriptor = MemFd.create("feature", 4096);
            assertThatThrownBy(() -> file.feature(flags, buffer, descriptor)).isInstanceOf(ErrnoException.class);
            assertThat(descriptor.isOpen()).isFalse();
        }
    }

    @Test
    void refusesRangesThatLeaveTheRegion() {
        long[] offsets = {REGION_BYTES, -1, Long.MAX_VALUE, Long.MIN_VALUE, REGION_BYTES - 3, Long.MAX_VALUE - 3};
        for (long offset : offsets) {
            assertErrno(Errno.EINVAL, () -> file.read(0, offset, buffer, 0, 4));
            assertErrno(Errno.EINVAL, () -> file.write(0, offset, buffer, 0, 4));
        }
        assertErrno(Errno.EINVAL, () -> file.read(0, 0, buffer, 0, REGION_BYTES + 1));
        assertErrno(Errno.EINVAL, () -> file.read(0, 0, buffer, 0, -1));
        assertErrno(Errno.EINVAL, () -> file.read(0, 0, buffer, 0, Integer.MIN_VALUE));
        assertThat(ops.log).isEmpty();
    }

    @Test
    void refusesWhatTheRegionsFlagsDoNotAllow() {
        file.read(1, 0, buffer, 0, 4);
        assertErrno(Errno.EINVAL, () -> file.write(1, 0, buffer, 0, 4));
        assertErrno(Errno.EINVAL, () -> file.read(2, 0, buffer, 0, 1));
    }

    @Test
    void passesLegalRangesOn() {
        file.read(0, 0, buffer, 0, REGION_BYTES);
        file.write(0, REGION_BYTES - 1, buffer, 7, 1);
        assertThat(ops.log).containsExactly("read 0 0 256", "write 0 255 1");
    }

    @Test
    void nothingToTransferIsFineAnywhere() {
        file.read(0, REGION_BYTES, buffer, 0, 0);
        file.write(2, -1, buffer, 0, 0);
        assertThat(ops.log).isEmpty();
    }

    @Test
    void refusesABufferThatIsTooShort() {
        assertThatThrownBy(() -> file.read(0, 0, buffer, REGION_BYTES * 2 - 3, 4))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void attachesOneSpaceAtATime() {
        try (IoAddressSpace space = new IoAddressSpace(8)) {
            file.attach(space);
            assertErrno(Errno.EBUSY, () -> file.attach(space));
            file.detach();
            file.detach();
            file.attach(space);
            assertThat(ops.log).containsExactly("attach", "detach", "attach");
        }
    }

    @Test
    void mapsMemoryIntoTheAttachedSpaceOnly() {
        try (IoAddressSpace space = new IoAddressSpace(8);
                Fd memory = MemFd.create("test", 8192)) {
            assertErrno(Errno.ENODEV, () -> file.dmaMap(0x1000, 4096, READ, memory, 0));
            file.attach(space);
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1000, 4096, 0, memory, 0));
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1000, 4096, 4, memory, 0));
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1000, 0, READ, memory, 0));
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1000, 4095, READ, memory, 0));
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1001, 4096, READ, memory, 0));
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1000, 4096, READ, memory, 1));
            assertErrno(Errno.EINVAL, () -> file.dmaMap(0x1000, 4096, READ, memory, -4096));
            file.dmaMap(0x1000, 4096, READ | WRITE, memory, 4096);
            assertErrno(Errno.EEXIST, () -> file.dmaMap(0x1000, 8192, READ, memory, 0));
            assertThat(space.contains(0x1000, 4096, READ | WRITE)).isTrue();
            assertErrno(Errno.ENOENT, () -> file.dmaUnmap(0x1000, 8192));
            file.dmaUnmap(0x1000, 4096);
            assertThat(space.size()).isZero();
        }
    }

    @Test
    void closeDetachesDisablesAndIsIdempotent() {
        try (IoAddressSpace space = new IoAddressSpace(8)) {
            file.attach(space);
            file.close();
            file.close();
            assertThat(ops.log).containsExactly("attach", "detach", "close");
        }
    }

    @Test
    void aDeviceThatItsUserCouldNotLeaveIsNotGivenToAnother() {
        try (IoAddressSpace space = new IoAddressSpace(1)) {
            ops.failUserLeft = new ErrnoException(Errno.ENOTTY, "ioctl VFIO_DEVICE_RESET");
            file.userLeft();
            assertThat(file.hasLeftovers()).isTrue();
            assertErrno(Errno.ENOTTY, () -> file.attach(space));
            assertErrno(Errno.ENOTTY, file::clearLeftovers);
            assertThat(file.space()).isEmpty();
            assertThat(ops.log).isEmpty();
            ops.failUserLeft = null;
            file.attach(space);
            assertThat(file.hasLeftovers()).isFalse();
            file.detach();
            file.userLeft();
            assertThat(file.hasLeftovers()).isFalse();
        }
    }

    @Test
    void aClosedFileRefusesEverything() {
        file.close();
        List<ThrowingCallable> calls = List.of(
                file::info,
                () -> file.regionInfo(0),
                () -> file.irqInfo(0),
                () -> file.read(0, 0, buffer, 0, 0),
                () -> file.write(0, 0, buffer, 0, 1),
                file::reset,
                file::detach,
                () -> file.dmaUnmap(0, 4096));
        for (ThrowingCallable call : calls) {
            assertErrno(Errno.EBADF, call);
        }
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
