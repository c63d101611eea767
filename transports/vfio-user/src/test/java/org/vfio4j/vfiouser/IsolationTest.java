package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE_MULTI;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.HostileMessages;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** Two devices on one loop: whatever the client of the one does, the other's is served as ever, and nothing is left behind. */
class IsolationTest {

    private static final long SEED = 20261123;
    private static final long FUZZ_NS = 5_000_000_000L;
    private static final int FUZZ_LEAST = 2_000;

    private final Leaks before = Leaks.snapshot();
    private final Served served = new Served();
    private final FakeDevice otherDevice = new FakeDevice();
    private final Path otherSocket = served.directory.resolve("other");
    private final VfioUserServer other =
            Served.serve(served.loop, otherDevice, otherSocket, VfioUserServerOptions.DEFAULTS);
    private RawClient neighbour;

    @BeforeEach
    void connectNeighbour() {
        neighbour = RawClient.negotiated(otherSocket);
    }

    @AfterEach
    void close() {
        neighbour.close();
        other.close();
        served.close();
        before.assertNone();
    }

    @Test
    void aClientThatReadsNoRepliesStallsOnlyItself() {
        byte[] request = RegionAccessTest.read(0, 2, 1 << 20).toBytes();
        try (RawClient deaf = served.client()) {
            long taken = 0;
            for (int i = 0; i < 20; i++) {
                taken += deaf.sendUntilFull(request);
                assertNeighbourIsServed();
            }
            // Back-pressure: the server does not take in requests without end.
            assertThat(taken).isLessThan(1 << 20);
            // Once the replies are read all of them come, in full.
            long answers = taken / request.length;
            for (long i = 0; i < answers; i++) {
                assertThat(deaf.receive().payload()).hasSize(16 + (1 << 20));
            }
            byte[] rest = java.util.Arrays.copyOfRange(request, (int) (taken % request.length), request.length);
            deaf.send(rest.length == request.length ? request : rest);
            assertThat(deaf.receive().isError()).isFalse();
        }
    }

    @Test
    void aClientThatLeavesWithoutReadingRepliesIsForgotten() {
        for (int i = 0; i < 5; i++) {
            try (RawClient deaf = served.client()) {
                deaf.sendUntilFull(RegionAccessTest.read(0, 2, 1 << 20).toBytes());
            }
            assertNeighbourIsServed();
        }
        served.client().close();
    }

    @Test
    void aClientThatFloodsDoesNotStarveTheOther() {
        byte[] flood =
                RegionAccessTest.write(0, 0, 4, new byte[4]).withFlags(0x10).toBytes();
        Thread flooding = Thread.ofPlatform().start(() -> {
            try (RawClient client = served.client()) {
                while (!Thread.currentThread().isInterrupted()) {
                    client.trySend(flood);
                }
            }
        });
        for (int i = 0; i < 200; i++) {
            assertNeighbourIsServed();
        }
        flooding.interrupt();
        join(flooding);
    }

    @Test
    void survivesHostileMessages() {
        HostileMessages hostile = new HostileMessages(SEED, goodMessages());
        long deadline = System.nanoTime() + FUZZ_NS;
        int sent = 0;
        try (Fd memory = MemFd.create("guest", 0x10000);
                Fd event = EventFd.create()) {
            while (sent < FUZZ_LEAST || System.nanoTime() < deadline) {
                RawClient client = hostile.oneIn(4) ? RawClient.connect(served.socket) : served.client();
                try (client) {
                    boolean alive = true;
                    while (alive && !hostile.oneIn(20)) {
                        Fd[] fds = hostile.oneIn(3) ? new Fd[] {memory, event} : new Fd[0];
                        alive = client.trySend(hostile.next(), fds);
                        sent++;
                    }
                }
                if (sent % 16 == 0) {
                    assertNeighbourIsServed();
                }
            }
        }
        assertNeighbourIsServed();
        try (RawClient client = served.client()) {
            assertThat(client.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
        }
    }

    private void assertNeighbourIsServed() {
        assertThat(neighbour.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
    }

    private static List<RawMessage> goodMessages() {
        return List.of(
                RawClient.version(0, 1, "{\"capabilities\":{\"max_msg_fds\":8,\"migration\":{\"pgsize\":4096}}}"),
                DmaMessages.map(3, 0, 0x10000, 0x1000),
                DmaMessages.map(1, 0, 0x20000, 0x1000),
                DmaMessages.unmap(24, 0, 0x10000, 0x1000),
                DmaMessages.unmap(24, 2, 0, 0),
                RawMessage.command(
                        VFIO_USER_DEVICE_GET_INFO, new Payload().u32(16).bytes(new byte[12])),
                RawMessage.command(
                        VFIO_USER_DEVICE_GET_REGION_INFO, new Payload().u32(32).bytes(new byte[28])),
                SetIrqsTest.eventFds(2, 0, 2),
                RegionAccessTest.read(0, 0, 8),
                RegionAccessTest.read(0, 2, 1 << 16),
                RegionAccessTest.write(0, 0, 8, new byte[8]),
                RegionAccessTest.write(4, 7, 4, new byte[4]),
                RawMessage.command(
                        VFIO_USER_REGION_WRITE_MULTI,
                        new Payload().u64(1).u64(8).u32(0).u32(4).u64(0)),
                RawMessage.command(VFIO_USER_DEVICE_RESET));
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
