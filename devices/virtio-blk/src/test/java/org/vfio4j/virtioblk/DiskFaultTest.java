package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.testing.Fault;
import org.vfio4j.block.testing.FaultyBackend;
import org.vfio4j.virtio.testing.VirtioDriver;

/** A disk whose storage fails, is full, falls short, or does not answer. */
@Timeout(60)
class DiskFaultTest {

    private static final long BAD = 1 << 20;
    private static final long BAD_SECTOR = BAD / 512;

    private final FaultyBackend storage = new FaultyBackend(new MemoryBackend(DISK_BYTES));

    @Test
    void aRequestThatFailsIsTheOnlyOne() {
        storage.add(new Fault.Fails(BAD, 512, EIO));
        try (DiskFixture fixture = new DiskFixture(storage, builder -> builder).start(ALL_FEATURES)) {
            for (int i = 0; i < 3; i++) {
                assertThat(fixture.read(BAD_SECTOR, fixture.buffer, 512)).isEqualTo(VIRTIO_BLK_S_IOERR);
                assertThat(fixture.read(BAD_SECTOR + 1, fixture.buffer, 512)).isEqualTo(VIRTIO_BLK_S_OK);
            }
            assertThat(fixture.disk.counters().errors()).isEqualTo(3);
            assertThat(fixture.disk.counters().faults()).isZero();
        }
    }

    @Test
    void aFullStorageStillReads() {
        storage.add(new Fault.Full(0, DISK_BYTES));
        try (DiskFixture fixture = new DiskFixture(storage, builder -> builder).start(ALL_FEATURES)) {
            assertThat(fixture.write(0, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_IOERR);
            assertThat(fixture.read(0, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_OK);
            storage.clear();
            assertThat(fixture.write(0, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_OK);
        }
    }

    @Test
    void aTransferThatFallsShortHasFailed() {
        storage.add(new Fault.FallsShort(BAD, 4096));
        try (DiskFixture fixture = new DiskFixture(storage, builder -> builder).start(ALL_FEATURES)) {
            assertThat(fixture.read(BAD_SECTOR, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_IOERR);
            assertThat(fixture.write(BAD_SECTOR, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_IOERR);
        }
    }

    /** One request does not come back: other requests, queues and disks do not notice, and it completes when it can. */
    @Test
    void aStallIsFeltByItsOwnRequestAlone() {
        storage.add(new Fault.Stalls(BAD, 4096));
        try (DiskFixture fixture = DiskQueuesTest.fixture(storage, 3, 2, UnaryOperator.identity());
                DiskFixture other = new DiskFixture().start(ALL_FEATURES)) {
            List<QueueClient> clients = DiskQueuesTest.start(fixture, 3, 64, false);
            clients.getFirst().requests(VIRTIO_BLK_T_IN, BAD_SECTOR);
            clients.getFirst().offer(VIRTIO_BLK_T_IN, 1);
            clients.getFirst().kick();
            VirtioDriver.await("the stall", () -> storage.stalled() == 1);
            for (int i = 0; i < 50; i++) {
                // Queue 2 has the same thread, queue 1 the other one.
                assertThat(clients.get(1).run(VIRTIO_BLK_T_OUT, 8)).isEqualTo(VIRTIO_BLK_S_OK);
                assertThat(clients.get(2).run(VIRTIO_BLK_T_IN, 16)).isEqualTo(VIRTIO_BLK_S_OK);
                assertThat(other.read(0, other.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_OK);
            }
            assertThat(clients.getFirst().ring.hasUsed()).isFalse();
            storage.release();
            clients.getFirst().ring.await();
            assertThat(clients.getFirst().status()).isEqualTo(VIRTIO_BLK_S_OK);
        }
    }

    /** Each thread begins with a queue at its next look, and not when its storage has answered. */
    @Test
    void aQueueThatIsEnabledDuringAStallIsServed() {
        storage.add(new Fault.Stalls(BAD, 4096));
        try (DiskFixture fixture = DiskQueuesTest.fixture(storage, 4, 2, UnaryOperator.identity())) {
            QueueClient stalled = DiskQueuesTest.start(fixture, 2, 64, false).getFirst();
            stalled.requests(VIRTIO_BLK_T_OUT, BAD_SECTOR);
            stalled.offer(VIRTIO_BLK_T_OUT, 1);
            stalled.kick();
            VirtioDriver.await("the stall", () -> storage.stalled() == 1);
            long before = System.nanoTime();
            for (int index : new int[] {2, 3}) {
                QueueClient late = new QueueClient(fixture, index, 64, false, 4096);
                assertThat(late.run(VIRTIO_BLK_T_OUT, 8)).isEqualTo(VIRTIO_BLK_S_OK);
                assertThat(late.run(VIRTIO_BLK_T_IN, 8)).isEqualTo(VIRTIO_BLK_S_OK);
            }
            assertThat(System.nanoTime() - before).isLessThan(2_000_000_000L);
            assertThat(stalled.ring.hasUsed()).isFalse();
            storage.release();
            stalled.ring.await();
            assertThat(stalled.status()).isEqualTo(VIRTIO_BLK_S_OK);
        }
    }

    /** The storage still has the driver's memory: the reset is over when it has given that back, and not before. */
    @Test
    void aResetDuringAStallWaitsAndBlocksNobody() {
        storage.add(new Fault.Stalls(BAD, 4096));
        try (DiskFixture fixture = DiskQueuesTest.fixture(storage, 2, 2, UnaryOperator.identity());
                DiskFixture other = new DiskFixture().start(ALL_FEATURES)) {
            List<QueueClient> clients = DiskQueuesTest.start(fixture, 2, 64, false);
            clients.getFirst().requests(VIRTIO_BLK_T_IN, BAD_SECTOR);
            clients.getFirst().offer(VIRTIO_BLK_T_IN, 1);
            clients.getFirst().kick();
            VirtioDriver.await("the stall", () -> storage.stalled() == 1);
            long before = System.nanoTime();
            fixture.driver.setStatus(0);
            assertThat(System.nanoTime() - before)
                    .as("register accesses do not wait")
                    .isLessThan(2_000_000_000L);
            assertThat(fixture.driver.status()).isNotZero();
            assertThat(other.read(0, other.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(fixture.driver.status()).isNotZero();
            storage.release();
            VirtioDriver.await("the reset", () -> fixture.driver.status() == 0);
            assertThat(DiskQueuesTest.start(fixture, 2, 64, false).get(1).run(VIRTIO_BLK_T_IN, BAD_SECTOR))
                    .isEqualTo(VIRTIO_BLK_S_OK);
        }
    }
}
