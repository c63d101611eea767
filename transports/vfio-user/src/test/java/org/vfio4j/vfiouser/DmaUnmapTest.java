package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;
import static org.vfio4j.vfiouser.DmaMessages.READ;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;
import static org.vfio4j.vfiouser.DmaMessages.map;
import static org.vfio4j.vfiouser.DmaMessages.unmap;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.IoasLogging;

/** VFIO_USER_DMA_UNMAP (vfio-user specification, "VFIO_USER_DMA_UNMAP"). */
class DmaUnmapTest {

    private static final int GET_DIRTY = 1;
    private static final int ALL = 2;

    private final Served served = new Served();
    private final Fd memory = MemFd.create("guest", 0x10000);
    private RawClient client;

    @BeforeEach
    void mapTwo() {
        client = served.client();
        assertThat(client.call(map(READ, 0, 0x10000, 0x2000), memory).isError()).isFalse();
        assertThat(client.call(map(READ, 0x2000, 0x12000, 0x2000), memory).isError())
                .isFalse();
    }

    @AfterEach
    void close() {
        client.close();
        memory.close();
        served.close();
    }

    @Test
    void refusesWhatIsMalformed() {
        assertThat(errnoOf(RawMessage.command(
                        VFIO_USER_DMA_UNMAP, new Payload().u32(24).u32(0).u64(0x10000))))
                .isEqualTo(EINVAL);
        assertThat(errnoOf(unmap(8, 0, 0x10000, 0x2000))).isEqualTo(EINVAL);
        assertThat(errnoOf(unmap((1 << 20) + 1, 0, 0x10000, 0x2000))).isEqualTo(EINVAL);
        assertThat(errnoOf(unmap(24, 4, 0x10000, 0x2000))).isEqualTo(EINVAL);
        assertThat(errnoOf(unmap(24, ALL, 0x10000, 0x2000))).isEqualTo(EINVAL);
        assertThat(errnoOf(unmap(24, ALL | GET_DIRTY, 0, 0))).isEqualTo(EINVAL);
        assertThat(errnoOf(unmap(24, GET_DIRTY, 0x10000, 0x2000))).isEqualTo(EINVAL);
        assertThat(served.space().size()).isEqualTo(2);
    }

    @Test
    void refusesWhatIsNotExactlyOneMap() {
        assertThat(errnoOf(unmap(24, 0, 0x20000, 0x2000))).isEqualTo(ENOENT);
        assertThat(errnoOf(unmap(24, 0, 0x10000, 0x1000))).isEqualTo(ENOENT);
        assertThat(errnoOf(unmap(24, 0, 0x11000, 0x1000))).isEqualTo(ENOENT);
        assertThat(errnoOf(unmap(24, 0, 0x10000, 0x4000))).isEqualTo(ENOENT);
        assertThat(served.space().size()).isEqualTo(2);
    }

    @Test
    void repliesWithTheTwentyFourBytesOfTheRequest() {
        RawMessage reply = client.call(unmap(24, 0, 0x10000, 0x2000));
        assertThat(reply.payload()).isEqualTo(unmap(24, 0, 0x10000, 0x2000).payload());
        assertThat(served.space().size()).isEqualTo(1);
        assertThat(errnoOf(unmap(24, 0, 0x10000, 0x2000))).isEqualTo(ENOENT);
    }

    @Test
    void takesAllAway() {
        assertThat(client.call(unmap(24, ALL, 0, 0)).payload()).hasSize(24);
        assertThat(served.space().size()).isZero();
        assertThat(errnoOf(unmap(24, ALL, 0, 0))).as("of nothing").isZero();
    }

    @Test
    void closesADescriptorThatComesWithIt() {
        Leaks before = Leaks.snapshot();
        assertThat(client.call(unmap(24, 0, 0x10000, 0x2000), memory).isError()).isFalse();
        before.assertNone();
    }

    @Test
    void refusesABitmapThatIsMalformedOrThatNobodyKeeps() {
        assertThat(errnoOf(dirty(48, 4096, 8))).as("a device that cannot log").isEqualTo(EINVAL);
        try (Served logging = new Served(logging());
                RawClient other = logging.client()) {
            other.call(map(READ_WRITE, 0, 0x10000, 0x2000), memory);
            assertThat(Served.errnoOf(other, dirty(48, 4096, 8)))
                    .as("not tracking")
                    .isEqualTo(EINVAL);
            startLogging(other);
            for (RawMessage bad : new RawMessage[] {
                dirty(48, 0, 8),
                dirty(48, 2048, 8),
                dirty(48, 4097, 8),
                dirty(48, 4096, 0),
                dirty(48, 4096, 7),
                dirty(48, 4096, 9),
                dirty(47, 4096, 8),
                dirty(24, 4096, 8),
                dirty(48, 4096, -1),
                dirty(1 << 20, 4096, Long.MAX_VALUE),
                RawMessage.command(
                        VFIO_USER_DMA_UNMAP, Arrays.copyOf(dirty(48, 4096, 8).payload(), 39)),
            }) {
                assertThat(Served.errnoOf(other, bad)).isEqualTo(EINVAL);
            }
            assertThat(Served.errnoOf(other, unmap(24, ALL | GET_DIRTY, 0, 0))).isEqualTo(EINVAL);
            assertThat(logging.space().size()).isEqualTo(1);
        }
    }

    @Test
    void tellsWhichPagesWereWrittenAndForgetsThem() {
        try (Served logging = new Served(logging());
                RawClient other = logging.client()) {
            other.call(map(READ_WRITE, 0, 0x10000, 0x2000), memory);
            startLogging(other);
            write(logging, 0x11ff8);
            RawMessage reply = other.call(dirty(56, 4096, 16));
            assertThat(reply.payload()).hasSize(56);
            assertThat(Arrays.copyOf(reply.payload(), 40))
                    .isEqualTo(dirty(56, 4096, 16).payload());
            assertThat(reply.u64(40)).isEqualTo(2);
            assertThat(reply.u64(48)).as("more room than pages").isZero();
            assertThat(logging.space().size()).isZero();
            assertThat(Served.errnoOf(other, dirty(48, 4096, 8))).isEqualTo(ENOENT);
            other.call(map(READ_WRITE, 0, 0x10000, 0x2000), memory);
            assertThat(other.call(dirty(48, 4096, 8)).u64(40)).isZero();
        }
    }

    @Test
    void theClientUnmapsWithABitmapAndAllAtOnce() {
        MemorySegment bitmap = Arena.ofAuto().allocate(16, 8);
        MemorySegment start = Arena.ofAuto().allocate(16, 8);
        start.set(JAVA_LONG, 0, 4096);
        try (Served logging = new Served(logging());
                VfioUserClient driver = logging.driver()) {
            driver.dmaMap(0x10000, 0x2000, DmaSpace.READ | DmaSpace.WRITE, memory, 0);
            driver.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, start);
            write(logging, 0x10008);
            bitmap.fill((byte) -1);
            driver.dmaUnmap(0x10000, 0x2000, 4096, bitmap);
            assertThat(bitmap.get(JAVA_LONG, 0)).isEqualTo(1);
            assertThatThrownBy(() -> driver.dmaUnmap(0x10000, 0x2000, 4096, bitmap))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(ENOENT));
            driver.dmaMap(0x10000, 0x2000, DmaSpace.READ, memory, 0);
            MemorySegment local = Arena.ofAuto().allocate(0x1000);
            driver.dmaMap(0x80000, DmaSpace.READ, local);
            driver.dmaUnmapAll();
            assertThat(logging.space().size()).isZero();
            driver.dmaMap(0x80000, DmaSpace.READ, local);
        }
    }

    private static FakeDevice logging() {
        FakeDevice device = new FakeDevice();
        device.logging = Optional.of(new IoasLogging());
        return device;
    }

    static void startLogging(RawClient client) {
        int flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
        Payload start = new Payload().u32(24).u32(flags).u64(4096).u32(0).u32(0);
        assertThat(client.call(RawMessage.command(VFIO_USER_DEVICE_FEATURE, start))
                        .isError())
                .isFalse();
    }

    private static void write(Served target, long iova) {
        MemorySegment data = Arena.ofAuto().allocate(8);
        try (DmaWindow window = target.space().openWindow()) {
            window.enter();
            assertThat(window.write(iova, data.address(), 8)).isZero();
            window.leave();
        }
    }

    private static RawMessage dirty(int argsz, long pageSize, long bitmapSize) {
        return RawMessage.command(
                VFIO_USER_DMA_UNMAP,
                new Payload()
                        .u32(argsz)
                        .u32(GET_DIRTY)
                        .u64(0x10000)
                        .u64(0x2000)
                        .u64(pageSize)
                        .u64(bitmapSize));
    }

    private static void awaitYieldRequest(DmaWindow window) {
        long limit = System.nanoTime() + 10_000_000_000L;
        while (!window.yieldRequested()) {
            assertThat(System.nanoTime())
                    .as("the unmap asks the window to leave")
                    .isLessThan(limit);
            Thread.onSpinWait();
        }
    }

    @Test
    void answersOnlyWhenTheDeviceHasLetGoAndKeepsNobodyElseWaiting() {
        FakeDevice other = new FakeDevice();
        try (DmaWindow window = served.space().openWindow();
                VfioUserServer second = Served.serve(
                        served.loop, other, served.directory.resolve("t"), VfioUserServerOptions.DEFAULTS);
                RawClient neighbour = RawClient.negotiated(served.directory.resolve("t"))) {
            window.enter();
            assertThat(window.translate(0x10000, 0x1000, DmaSpace.READ)).isPositive();
            client.send(unmap(24, 0, 0x10000, 0x2000));
            awaitYieldRequest(window);
            client.expectSilence(50_000_000);
            assertThat(neighbour.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
            window.leave();
            assertThat(client.receive().isError()).isFalse();
            window.enter();
            assertThat(window.translate(0x10000, 0x1000, DmaSpace.READ)).isEqualTo(-Errno.ENOENT);
            assertThat(second.statistics().errors()).isZero();
        }
    }

    @Test
    void survivesAClientThatLeavesWhileItsUnmapWaits() {
        DmaWindow window = served.space().openWindow();
        window.enter();
        client.send(unmap(24, 0, 0x10000, 0x2000));
        client.expectSilence(20_000_000);
        client.close();
        window.leave();
        window.close();
        client = served.client();
        assertThat(served.space().size()).isZero();
    }

    private int errnoOf(RawMessage message) {
        return Served.errnoOf(client, message);
    }
}
