package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;

import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.DmaBacking;

/**
 * Two devices on one loop, of which one waits for its storage: the other's client is served. No queue thread of it uses memory when the
 * message comes, for it may begin in that moment.
 */
@Timeout(60)
class StalledDeviceTest {

    private static final long IOVA = 0x10000;
    private static final long BYTES = 0x1000;
    private static final int FEATURE = 7;

    private final CountDownLatch begun = new CountDownLatch(1);
    private final CountDownLatch storage = new CountDownLatch(1);
    private final Served served = new Served();
    private final Path otherSocket = served.directory.resolve("other");
    private final VfioUserServer other =
            Served.serve(served.loop, new FakeDevice(), otherSocket, VfioUserServerOptions.DEFAULTS);
    private RawClient client;
    private RawClient neighbour;

    @BeforeEach
    void connect() {
        client = served.client();
        neighbour = RawClient.negotiated(otherSocket);
    }

    @AfterEach
    void close() {
        storage.countDown();
        client.close();
        neighbour.close();
        other.close();
        served.close();
    }

    @Test
    void aResetHoldsUpNobodyElse() {
        served.device.onReset = this::stall;
        assertHoldsUpNobodyElse(RawMessage.command(VFIO_USER_DEVICE_RESET));
    }

    @Test
    void aFeatureHoldsUpNobodyElse() {
        served.device.onFeature = this::stall;
        assertHoldsUpNobodyElse(RawMessage.command(
                VFIO_USER_DEVICE_FEATURE,
                new Payload().u32(16).u32(VFIO_DEVICE_FEATURE_SET | FEATURE).u64(1)));
    }

    @Test
    void anUnmapHoldsUpNobodyElse() {
        served.space().map(IOVA, BYTES, DmaSpace.READ, new Stalling());
        assertHoldsUpNobodyElse(DmaMessages.unmap(24, 0, IOVA, BYTES));
    }

    @Test
    void aDisconnectHoldsUpNobodyElse() {
        served.device.onDetach = this::stall;
        client.close();
        await(begun);
        assertNeighbourIsServed();
        storage.countDown();
        client = served.client();
        assertThat(client.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
    }

    private void assertHoldsUpNobodyElse(RawMessage message) {
        client.send(message);
        await(begun);
        assertNeighbourIsServed();
        storage.countDown();
        assertThat(client.receive().isError()).isFalse();
    }

    private void assertNeighbourIsServed() {
        assertThat(neighbour.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
    }

    private void stall() {
        begun.countDown();
        await(storage);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What a queue thread uses until its storage has answered. */
    private final class Stalling implements DmaBacking {

        @Override
        public boolean isRemote() {
            return false;
        }

        @Override
        public int read(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public void close() {
            stall();
        }
    }
}
