package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.sys.Errno.E2BIG;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.sys.Errno.EOVERFLOW;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DirtyLog;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;

/** Logging of DMA writes (E12) and unmap with a dirty bitmap (E10), through an open device and the windows of its memory. */
class DmaLoggingTest {

    private static final int PAGE = 4096;
    private static final int START = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
    private static final int STOP = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
    private static final int REPORT = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;

    private final VfioRegistry registry = new VfioRegistry();
    private final FakeDeviceOps ops = new FakeDeviceOps();
    private final IoAddressSpace space = new IoAddressSpace(1000);
    private final Mapping host = Mapping.anonymous(PAGE);
    private final MemorySegment data = Arena.ofAuto().allocate(1 << 16);
    private final DmaWindow window = space.openWindow();
    private LocalDeviceFile file;

    @BeforeEach
    void open() {
        ops.logging = Optional.of(new IoasLogging());
        registry.register(ops, () -> () -> {}, "0000:08:00.0");
        file = registry.open("vfio0");
        file.attach(space);
        space.map(0, READ | WRITE, Mapping.anonymous(64 * PAGE));
    }

    @AfterEach
    void close() {
        window.close();
        file.close();
        space.close();
        host.close();
    }

    @Test
    void aDeviceThatCannotLogSaysSo() {
        file.close();
        ops.logging = Optional.empty();
        file = registry.open("vfio0");
        for (int feature : new int[] {START, STOP, REPORT}) {
            assertErrno(ENOTTY, () -> file.feature(feature, data));
        }
        file.attach(space);
        assertErrno(ENOTTY, () -> file.dmaUnmap(0, 64 * PAGE, PAGE, data));
    }

    @Test
    void refusesOperationsThatAreNot() {
        assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data));
        assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, data));
        assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data));
        file.feature(VFIO_DEVICE_FEATURE_PROBE | START, MemorySegment.NULL);
        assertErrno(EINVAL, () -> report(0, PAGE, PAGE));
    }

    @Test
    void refusesPageSizesThatAreNone() {
        for (long size : new long[] {0, 3, 4095, 4097, 12288, -1}) {
            assertErrno(EINVAL, () -> start(size));
        }
        start(PAGE);
        for (long size : new long[] {0, 1, 2048, 4095, 4097, 12288, -1}) {
            assertErrno(EINVAL, () -> report(0, 64 * PAGE, size));
        }
    }

    @Test
    void refusesRangesThatAreNone() {
        assertErrno(EINVAL, () -> start(PAGE, 0, 0));
        assertErrno(EINVAL, () -> start(PAGE, 1, PAGE));
        assertErrno(EINVAL, () -> start(PAGE, 0, PAGE + 1));
        assertErrno(EINVAL, () -> start(2 * PAGE, PAGE, 2 * PAGE));
        assertErrno(EOVERFLOW, () -> start(PAGE, -PAGE, 2 * PAGE));
        assertErrno(EINVAL, () -> start(PAGE, 0, 2 * PAGE, 4 * PAGE, PAGE, PAGE, PAGE));
        assertErrno(EINVAL, () -> start(PAGE, 4 * PAGE, PAGE, 0, 8 * PAGE));
        assertErrno(E2BIG, () -> start(PAGE, new long[2 * VfioLogging.MAX_RANGES + 2]));
        assertErrno(EINVAL, () -> file.feature(START, data.asSlice(0, 15)));
        assertErrno(EINVAL, () -> report(0, PAGE, PAGE));
        start(PAGE, 4 * PAGE, PAGE, 0, 4 * PAGE, -PAGE, PAGE);
    }

    @Test
    void refusesRangesThatShorterDataCannotHold() {
        data.set(JAVA_LONG_UNALIGNED, 0, PAGE);
        data.set(JAVA_INT_UNALIGNED, 8, 2);
        assertErrno(EINVAL, () -> file.feature(START, data.asSlice(0, 16 + 31)));
        data.set(JAVA_INT_UNALIGNED, 8, -1);
        assertErrno(E2BIG, () -> file.feature(START, data));
    }

    @Test
    void refusesReportsThatAreNone() {
        start(PAGE);
        assertErrno(EINVAL, () -> report(0, 0, PAGE));
        assertErrno(EOVERFLOW, () -> report(-PAGE, 2 * PAGE, PAGE));
        assertErrno(EOVERFLOW, () -> report(PAGE, -PAGE + 1, 1L << 40));
        setReport(0, 65 * PAGE, PAGE);
        assertErrno(EINVAL, () -> file.feature(REPORT, data.asSlice(0, 24 + 15)));
        assertErrno(EINVAL, () -> file.feature(REPORT, data.asSlice(0, 23)));
        assertErrno(EINVAL, () -> report(0, Long.MAX_VALUE, PAGE));
        assertErrno(ENOENT, () -> report(64 * PAGE, PAGE, PAGE));
    }

    @Test
    void theSameLogMayBeAskedForTwiceAndNoOther() {
        assertThat(start(2 * PAGE, 0, 2 * PAGE)).isEqualTo(2 * PAGE);
        write(0, 8);
        assertThat(start(2 * PAGE, 0, 2 * PAGE)).isEqualTo(2 * PAGE);
        assertErrno(EINVAL, () -> start(PAGE, 0, 2 * PAGE));
        assertErrno(EINVAL, () -> start(2 * PAGE, 0, 4 * PAGE));
        assertErrno(EINVAL, () -> start(2 * PAGE));
        assertThat(report(0, 2 * PAGE, 2 * PAGE)).isEqualTo(bits(0));
    }

    @Test
    void aPageSizeThatIsTooSmallIsAWish() {
        assertThat(start(512)).isEqualTo(PAGE);
        assertThat(start(512)).isEqualTo(PAGE);
        assertThat(start(PAGE)).isEqualTo(PAGE);
    }

    @Test
    void tellsWritesOnceAndNothingElse() {
        start(PAGE);
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits());
        window.enter();
        assertThat(window.read(3 * PAGE, host.address(), 8)).isZero();
        window.leave();
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits());
        write(5 * PAGE - 4, 8);
        mark(63 * PAGE, 1);
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(4, 5, 63));
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits());
    }

    @Test
    void tellsWhatWasWrittenThroughABacking() {
        start(PAGE);
        space.map(100 * PAGE, PAGE, WRITE, new NullBacking(false));
        space.map(101 * PAGE, PAGE, WRITE, new NullBacking(true));
        write(101 * PAGE - 4, 8);
        assertThat(report(100 * PAGE, 2 * PAGE, PAGE)).isEqualTo(bits(0, 1));
    }

    @Test
    void writesBeforeTheStartAndAfterTheStopAreNotLogged() {
        write(0, 8);
        start(PAGE);
        write(PAGE, 8);
        file.feature(STOP, MemorySegment.NULL);
        file.feature(STOP, MemorySegment.NULL);
        assertErrno(EINVAL, () -> report(0, PAGE, PAGE));
        write(2 * PAGE, 8);
        start(PAGE);
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits());
    }

    @Test
    void smallerPagesAreDoubledAndLargerOnesJoined() {
        start(2 * PAGE);
        write(2 * PAGE, 1);
        mark(9 * PAGE, 1);
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(2, 3, 8, 9));
        write(2 * PAGE, 1);
        mark(9 * PAGE, 1);
        assertThat(report(0, 64 * PAGE, 4 * PAGE)).isEqualTo(bits(0, 2));
        write(2 * PAGE, 1);
        assertThat(report(0, 64 * PAGE, 1L << 62)).isEqualTo(bits(0));
    }

    @Test
    void anyRangeCanBeAskedAndBitsCountFromItsStart() {
        start(PAGE, 0, 4 * PAGE);
        for (int page = 0; page < 64; page += 3) {
            write((long) page * PAGE, 1);
        }
        assertThat(report(3 * PAGE, 4 * PAGE, PAGE)).isEqualTo(bits(0, 3));
        assertThat(report(0, 10 * PAGE, PAGE)).isEqualTo(bits(0, 9));
        BitSet rest = report(0, 300 * PAGE, PAGE);
        assertThat(rest.length()).isEqualTo(64);
        assertThat(rest.cardinality()).isEqualTo(18);
    }

    @Test
    void memoryMappedWhileItIsLoggedIsLogged() {
        start(PAGE);
        space.map(-PAGE, READ | WRITE, Mapping.anonymous(PAGE));
        write(-8, 8);
        assertThat(report(-4 * PAGE, 4 * PAGE, PAGE)).isEqualTo(bits(3));
    }

    @Test
    void memoryUnmappedWhileItIsLoggedIsStillReported() {
        start(PAGE);
        write(7 * PAGE, 8);
        file.dmaUnmap(0, 64 * PAGE);
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(7));
        assertErrno(ENOENT, () -> report(0, 64 * PAGE, PAGE));
    }

    @Test
    void aLargeMapCostsNothingUntilItIsWritten() {
        start(PAGE);
        space.map(1L << 50, IoAddressSpace.MAX_MAP_BYTES, WRITE, new NullBacking(false));
        mark((1L << 50) + IoAddressSpace.MAX_MAP_BYTES - 1, 1);
        assertThat(report(1L << 50, IoAddressSpace.MAX_MAP_BYTES, 1L << 30)).isEqualTo(bits((1 << 13) - 1));
    }

    @Test
    void refusesToUnmapWithABitmapThatIsNone() {
        assertErrno(EINVAL, () -> file.dmaUnmap(0, 64 * PAGE, PAGE, data));
        start(PAGE);
        assertErrno(EINVAL, () -> file.dmaUnmap(0, 64 * PAGE, 2048, data));
        assertErrno(EINVAL, () -> file.dmaUnmap(0, 64 * PAGE, PAGE, data.asSlice(0, 7)));
        assertErrno(ENOENT, () -> file.dmaUnmap(0, 63 * PAGE, PAGE, data));
        assertErrno(ENOENT, () -> file.dmaUnmap(PAGE, 63 * PAGE, PAGE, data));
        assertThat(space.size()).isEqualTo(1);
        file.detach();
        assertErrno(ENODEV, () -> file.dmaUnmap(0, 64 * PAGE, PAGE, data));
    }

    @Test
    void unmappingWithABitmapTellsTheLastWrites() {
        start(PAGE);
        write(7 * PAGE, 8);
        write(63 * PAGE, 8);
        data.fill((byte) -1);
        file.dmaUnmap(0, 64 * PAGE, PAGE, data);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(1L << 7 | 1L << 63);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 8)).isEqualTo(-1);
        assertThat(space.size()).isZero();
        assertErrno(ENOENT, () -> report(0, 64 * PAGE, PAGE));
    }

    @Test
    void unmappingWithABitmapOfALogThatIsFullTellsAllPages() {
        start(PAGE);
        for (long i = 1; i <= DirtyLog.MAX_CHUNKS; i++) {
            mark(i << 40, 1);
        }
        mark(0, 1);
        file.dmaUnmap(0, 64 * PAGE, 2 * PAGE, data);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(0xffff_ffffL);
    }

    @Test
    void aResetDoesNotEndTheLogButAUsersLeavingDoes() {
        start(PAGE);
        write(0, 8);
        file.reset();
        assertThat(report(0, PAGE, PAGE)).isEqualTo(bits(0));
        file.userLeft();
        assertErrno(EINVAL, () -> report(0, PAGE, PAGE));
        file.detach();
        start(2 * PAGE);
    }

    @Test
    void theLogOutlivesTheMemoryAndGoesOnInOther() {
        start(PAGE);
        write(PAGE, 8);
        file.detach();
        write(2 * PAGE, 8);
        file.attach(space);
        write(3 * PAGE, 8);
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(1, 3));
    }

    @Test
    void eachDeviceHasItsOwnLogOfMemoryThatTheyShare() {
        FakeDeviceOps otherOps = new FakeDeviceOps();
        otherOps.logging = Optional.of(new IoasLogging());
        LocalDeviceFile first = file;
        registry.register(otherOps, () -> () -> {}, "0000:09:00.0");
        try (LocalDeviceFile other = registry.open("vfio1")) {
            other.attach(space);
            start(PAGE);
            file = other;
            start(2 * PAGE);
            write(5 * PAGE, 8);
            assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(4, 5));
            file = first;
            assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(5));
        } finally {
            file = first;
        }
    }

    @Test
    void startingWaitsForWritesThatBeganWithoutTheLog() throws Exception {
        window.enter();
        CompletableFuture<Long> starting = CompletableFuture.supplyAsync(() -> start(PAGE));
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!window.yieldRequested()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.onSpinWait();
        }
        assertThat(starting).isNotDone();
        window.leave();
        window.enter();
        assertThat(starting.get(30, TimeUnit.SECONDS)).isEqualTo(PAGE);
        window.markDirty(0, 1);
        window.leave();
        assertThat(report(0, 64 * PAGE, PAGE)).isEqualTo(bits(0));
    }

    private long start(long pageSize, long... ranges) {
        MemorySegment request = Arena.ofAuto().allocate(16 + 8L * ranges.length);
        request.set(JAVA_LONG_UNALIGNED, 0, pageSize);
        request.set(JAVA_INT_UNALIGNED, 8, ranges.length / 2);
        for (int i = 0; i < ranges.length; i++) {
            request.set(JAVA_LONG_UNALIGNED, 16 + 8L * i, ranges[i]);
        }
        assertThat(file.feature(START, request)).isZero();
        return request.get(JAVA_LONG_UNALIGNED, 0);
    }

    private void write(long iova, long length) {
        window.enter();
        assertThat(window.write(iova, host.address(), length)).isZero();
        window.leave();
    }

    private void mark(long iova, long length) {
        window.enter();
        window.markDirty(iova, length);
        window.leave();
    }

    private void setReport(long iova, long length, long pageSize) {
        data.fill((byte) -1);
        data.set(JAVA_LONG_UNALIGNED, 0, iova);
        data.set(JAVA_LONG_UNALIGNED, 8, length);
        data.set(JAVA_LONG_UNALIGNED, 16, pageSize);
    }

    private BitSet report(long iova, long length, long pageSize) {
        setReport(iova, length, pageSize);
        int bytes = file.feature(REPORT, data);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(iova);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 16)).isEqualTo(pageSize);
        long pages = Long.divideUnsigned(length - 1, pageSize) + 1;
        assertThat(bytes).isEqualTo(24 + (int) ((pages + 63) / 64 * 8));
        return BitSet.valueOf(data.asSlice(24, bytes - 24L).asByteBuffer());
    }

    private static BitSet bits(int... set) {
        BitSet bits = new BitSet();
        for (int bit : set) {
            bits.set(bit);
        }
        return bits;
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    private record NullBacking(boolean isRemote) implements DmaBacking {

        @Override
        public int read(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public void close() {}
    }
}
