package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.DiskFixture.QUEUE_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/** What a disk says of each queue, and of requests that take too long. */
@Timeout(60)
class DiskStatisticsTest {

    private static final int BLOCK = 4096;

    private DiskFixture fixture = new DiskFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void countsRequestsByKind(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        fixture.write(0, fixture.buffer, BLOCK);
        fixture.read(0, fixture.buffer, BLOCK);
        fixture.read(8, fixture.buffer, 512);
        fixture.read(DISK_BYTES / SECTOR_SIZE, fixture.buffer, 512);
        fixture.request(VIRTIO_BLK_T_FLUSH, 0);
        fixture.request(VIRTIO_BLK_T_GET_ID, 0, Piece.writable(fixture.buffer, VIRTIO_BLK_ID_BYTES));

        QueueSnapshot queue = onlyQueue();
        assertThat(List.of(queue.reads(), queue.writes(), queue.flushes(), queue.others(), queue.errors()))
                .containsExactly(2L, 1L, 1L, 1L, 1L);
        assertThat(queue.readBytes()).isEqualTo(BLOCK + 512);
        assertThat(queue.writtenBytes()).isEqualTo(BLOCK);
        assertThat(queue.inFlight()).isZero();
        assertThat(queue.notifications()).isPositive();
        assertThat(queue.readLatency().count()).isEqualTo(3);
        assertThat(queue.readLatency().maxNs()).isBetween(1L, 60_000_000_000L);
        assertThat(queue.otherLatency().count()).isEqualTo(2);
        assertThat(statistics().cpuNs()).isPositive();
    }

    @Test
    void keepsQueuesApartAndCountsOverResets() {
        fixture.close();
        fixture = new DiskFixture(new MemoryBackend(DISK_BYTES), builder -> builder.queues(3));
        fixture.start(ALL_FEATURES);
        fixture.read(0, fixture.buffer, 512);
        fixture.driver.reset();
        fixture.driver.negotiate(ALL_FEATURES);
        fixture.ring = new DriverRing(fixture.memory, QUEUE_SIZE, true, false);
        fixture.driver.setUpQueue(2, fixture.ring, VirtioPci.VIRTIO_MSI_NO_VECTOR);
        fixture.driver.driverOk();
        fixture.submit(VIRTIO_BLK_T_OUT, 0, Piece.readable(fixture.buffer, 512));
        fixture.driver.notifyQueue(2);
        fixture.ring.await();

        assertThat(statistics().queues()).extracting(QueueSnapshot::queue).containsExactly(0, 2);
        assertThat(statistics().queues()).extracting(QueueSnapshot::reads).containsExactly(1L, 0L);
        assertThat(statistics().queues()).extracting(QueueSnapshot::writes).containsExactly(0L, 1L);
        assertThat(statistics().queues().get(1).notifications()).isEqualTo(1);
    }

    @Test
    void whatWaitsForStorageIsInFlight() {
        CountDownLatch flushing = new CountDownLatch(1);
        fixture.close();
        fixture = new DiskFixture(new Waiting(flushing), builder -> builder);
        fixture.start(ALL_FEATURES);
        fixture.submit(VIRTIO_BLK_T_FLUSH, 0);
        fixture.driver.notifyQueue(0);
        VirtioDriver.await("a flush in flight", () -> onlyQueue().inFlight() == 1);
        assertThat(onlyQueue().flushes()).isZero();
        flushing.countDown();
        fixture.driver.notifyQueue(0);
        fixture.ring.await();
        assertThat(onlyQueue().inFlight()).isZero();
        assertThat(onlyQueue().flushes()).isEqualTo(1);
    }

    @Test
    void tellsFlightRecorderOfSlowRequests() throws InterruptedException {
        fixture.close();
        fixture = new DiskFixture(
                new MemoryBackend(DISK_BYTES), builder -> builder.name("disk-9").slowNs(0));
        List<RecordedEvent> events = new CopyOnWriteArrayList<>();
        CountDownLatch seen = new CountDownLatch(2);
        try (RecordingStream stream = new RecordingStream()) {
            stream.enable("org.vfio4j.SlowCommand");
            stream.onEvent("org.vfio4j.SlowCommand", event -> {
                events.add(event);
                seen.countDown();
            });
            stream.startAsync();
            fixture.start(ALL_FEATURES);
            fixture.read(40, fixture.buffer, BLOCK);
            fixture.request(VIRTIO_BLK_T_FLUSH, 0);
            assertThat(seen.await(30, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(events).extracting(event -> event.getString("device")).containsOnly("disk-9");
        assertThat(events)
                .extracting(event -> event.getString("opcode"))
                .containsExactly("VIRTIO_BLK_T_IN", "VIRTIO_BLK_T_FLUSH");
        assertThat(events).extracting(event -> event.getLong("lba")).containsExactly(40L, -1L);
        assertThat(events).extracting(event -> event.getLong("bytes")).containsExactly((long) BLOCK, 0L);
        assertThat(onlyQueue().slow()).isEqualTo(2);
    }

    private DeviceStatistics statistics() {
        return fixture.disk.function().platform(DeviceStatistics.class).orElseThrow();
    }

    private QueueSnapshot onlyQueue() {
        List<QueueSnapshot> queues = statistics().queues();
        assertThat(queues).hasSize(1);
        return queues.getFirst();
    }

    /** Storage whose flush completes when a latch opens. */
    private record Waiting(MemoryBackend memory, CountDownLatch open) implements BlockBackend {

        Waiting(CountDownLatch open) {
            this(new MemoryBackend(DISK_BYTES), open);
        }

        @Override
        public long sizeBytes() {
            return memory.sizeBytes();
        }

        @Override
        public int physicalBlockBytes() {
            return memory.physicalBlockBytes();
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public String describe() {
            return "waiting";
        }

        @Override
        public void close() {
            memory.close();
        }

        @Override
        public BlockQueue openQueue(int depth) {
            BlockQueue queue = memory.openQueue(depth);
            return (BlockQueue) Proxy.newProxyInstance(
                    BlockQueue.class.getClassLoader(),
                    new Class<?>[] {BlockQueue.class},
                    (proxy, method, arguments) -> switch (method.getName()) {
                        case "poll" -> open.getCount() == 0 ? method.invoke(queue, arguments) : 0;
                        default -> method.invoke(queue, arguments);
                    });
        }
    }
}
