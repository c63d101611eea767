package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_UNMAP;
import static org.vfio4j.vfiouser.DmaMessages.READ;
import static org.vfio4j.vfiouser.DmaMessages.map;
import static org.vfio4j.vfiouser.DmaMessages.unmap;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

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
            assertThat(window.translate(0x10000, 0x1000, DmaSpace.READ)).isEqualTo(-Errno.EFAULT);
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
