package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.testing.FaultyBackend;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.Cpus;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.virtio.testing.VirtioDriver;

/** A disk with several queues, which share a thread or have several. */
@Timeout(120)
class DiskQueuesTest {

    private static final int LARGE_QUEUE = 1024;
    private static final int BLOCK = 4096;

    @Test
    void eachThreadServesItsQueues() throws Exception {
        try (DiskFixture fixture = fixture(4, 2, builder -> builder.poll(new QueuePolling(20_000, 50_000_000)))) {
            List<QueueClient> clients = start(fixture, 4, 64, false);
            try (ExecutorService executor = Executors.newFixedThreadPool(clients.size())) {
                List<Future<?>> runs = new ArrayList<>();
                for (int i = 0; i < clients.size(); i++) {
                    int index = i;
                    runs.add(executor.submit(() -> writeAndReadBack(fixture, clients.get(index), index)));
                }
                for (Future<?> run : runs) {
                    run.get();
                }
            }
            BlkCounters counters = fixture.disk.counters();
            assertThat(counters.reads()).as("counted by two threads").isEqualTo(4 * 300);
            assertThat(counters.writes()).isEqualTo(4 * 300);
            VirtioDriver.await("both threads to end", () -> !fixture.disk.isBusy());
        }
    }

    private static void writeAndReadBack(DiskFixture fixture, QueueClient client, int index) {
        for (int round = 0; round < 300; round++) {
            long sector = 8L * (4 * round + index);
            fixture.memory.fill(client.buffer, BLOCK, 31 * round + index);
            assertThat(client.run(VIRTIO_BLK_T_OUT, sector)).isEqualTo(VIRTIO_BLK_S_OK);
            fixture.memory.fill(client.buffer, BLOCK, 0);
            assertThat(client.run(VIRTIO_BLK_T_IN, sector)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(fixture.memory.get(client.buffer, BLOCK)).containsOnly((byte) (31 * round + index));
        }
    }

    @Test
    void aNotificationWakesTheQueuesOwnThreadAlone() {
        try (DiskFixture fixture = fixture(4, 2, builder -> builder.poll(new QueuePolling(0, 30_000_000)))) {
            List<QueueClient> clients = start(fixture, 4, 64, false);
            VirtioDriver.await("both threads to end", () -> !fixture.disk.isBusy());
            clients.get(3).offer(VIRTIO_BLK_T_IN, 1);
            clients.get(3).kick();
            clients.get(3).ring.await();
            assertThat(Thread.getAllStackTraces().keySet())
                    .extracting(Thread::getName)
                    .contains("disk-1")
                    .doesNotContain("disk-0");
        }
    }

    /** Storage takes 256 requests of one thread: what becomes free there goes to each queue in turn. */
    @Test
    void aBusyQueueDoesNotStarveOneBehindIt() {
        for (int busy = 0; busy < 3; busy++) {
            FaultyBackend storage = new FaultyBackend(new MemoryBackend(DISK_BYTES));
            storage.completeAtATime(1);
            try (DiskFixture fixture = fixture(storage, 3, 1, UnaryOperator.identity())) {
                List<QueueClient> clients = negotiated(fixture, 3, LARGE_QUEUE, false);
                QueueClient hog = clients.get(busy);
                QueueClient modest = clients.get((busy + 1) % 3);
                assertThat(beforeModestIsDone(fixture, storage, hog, 1000, modest, 300))
                        .isBetween(300 - 64L, 300 + 64L);
            }
        }
    }

    /** A queue whose rings are not mapped is served one by one: the others have their turn between. */
    @Test
    void aSlowQueueDoesNotStarveAFastOne() {
        FaultyBackend storage = new FaultyBackend(new MemoryBackend(DISK_BYTES));
        try (DiskFixture fixture = fixture(storage, 2, 1, UnaryOperator.identity())) {
            fixture.driver.negotiate(ALL_FEATURES);
            QueueClient slow = new QueueClient(fixture, 0, LARGE_QUEUE, true, BLOCK);
            QueueClient fast = new QueueClient(fixture, 1, LARGE_QUEUE, false, BLOCK);
            assertThat(beforeModestIsDone(fixture, storage, slow, 1000, fast, 320))
                    .isLessThan(320);
        }
    }

    /** Starts the disk on two queues that are full. Returns how many of the hog's came before the modest one's last. */
    private static long beforeModestIsDone(
            DiskFixture fixture, FaultyBackend storage, QueueClient hog, int hogs, QueueClient modest, int modests) {
        storage.record();
        modest.requests(VIRTIO_BLK_T_IN, 8);
        hog.offer(VIRTIO_BLK_T_IN, hogs);
        modest.offer(VIRTIO_BLK_T_IN, modests);
        fixture.driver.driverOk();
        VirtioDriver.await("all", () -> hog.ring.usedIndex() == hogs && modest.ring.usedIndex() == modests);
        List<Long> seen = storage.seen();
        assertThat(seen).hasSize(hogs + modests);
        return seen.subList(0, seen.lastIndexOf(8 * 512L)).stream()
                .filter(offset -> offset == 0)
                .count();
    }

    /** Whatever the threads do: after a reset nothing of theirs reaches the driver. */
    @Test
    void aResetHoldsEveryThread() throws Exception {
        try (DiskFixture fixture = fixture(4, 3, builder -> builder.poll(new QueuePolling(5_000, 5_000_000)))) {
            for (int round = 0; round < 60; round++) {
                List<QueueClient> clients = start(fixture, 4, 64, false);
                clients.forEach(client -> client.offer(VIRTIO_BLK_T_IN, 60));
                clients.forEach(QueueClient::kick);
                if ((round & 1) == 0) {
                    fixture.disk.function().reset();
                } else {
                    fixture.driver.reset();
                }
                List<Integer> used =
                        clients.stream().map(c -> c.ring.usedIndex()).toList();
                Thread.onSpinWait();
                clients.forEach(QueueClient::kick);
                assertThat(clients.stream().map(c -> c.ring.usedIndex()).toList())
                        .isEqualTo(used);
            }
        }
    }

    @Test
    void memoryThatGoesAwayIsLeftByEveryThread() {
        try (DiskFixture fixture = fixture(4, 3, builder -> builder.poll(QueuePolling.ALWAYS))) {
            List<QueueClient> clients = start(fixture, 4, 64, false);
            for (int round = 0; round < 20; round++) {
                clients.forEach(client -> client.offer(VIRTIO_BLK_T_IN, 16));
                clients.forEach(QueueClient::kick);
                fixture.memory.unmapFirstHalf();
                fixture.memory.mapFirstHalf();
                int expected = 16 * (round + 1);
                VirtioDriver.await(
                        "all queues to go on", () -> clients.stream().allMatch(c -> c.ring.usedIndex() == expected));
            }
        }
    }

    @Test
    void threadsRunOnTheCpusThatTheyAreGiven() {
        Cpus last = new Cpus(List.of(Cpus.allowed().numbers().getLast()));
        try (DiskFixture fixture = fixture(2, 2, builder -> builder.cpus(last).poll(QueuePolling.ALWAYS))) {
            start(fixture, 2, 64, false).forEach(QueueClient::kick);
            assertThat(ThreadUse.threadNamed("disk-1").isAlive()).isTrue();
        }
        MemoryBackend memory = new MemoryBackend(DISK_BYTES);
        assertThatThrownBy(
                        () -> VirtioBlk.builder(memory).cpus(Cpus.parse("8191")).build())
                .hasMessageContaining("CPU 8191, which does not exist or is not allowed");
        memory.close();
    }

    @Test
    void refusesMoreThreadsThanQueues() {
        MemoryBackend memory = new MemoryBackend(DISK_BYTES);
        assertThatThrownBy(() -> VirtioBlk.builder(memory).queues(2).threads(3).build())
                .hasMessage("3 threads for 2 queues");
        assertThatThrownBy(() -> VirtioBlk.builder(memory).threads(0)).hasMessageContaining("0 threads");
        memory.close();
    }

    static DiskFixture fixture(int queues, int threads, UnaryOperator<VirtioBlk.Builder> more) {
        return fixture(new MemoryBackend(DISK_BYTES), queues, threads, more);
    }

    static DiskFixture fixture(BlockBackend backend, int queues, int threads, UnaryOperator<VirtioBlk.Builder> more) {
        return new DiskFixture(
                backend,
                builder -> more.apply(builder.name("disk")
                        .queues(queues)
                        .queueSize(LARGE_QUEUE)
                        .threads(threads)));
    }

    /** Queues that are set up, of a driver that is not ready yet. */
    static List<QueueClient> negotiated(DiskFixture fixture, int queues, int size, boolean remote) {
        fixture.driver.negotiate(ALL_FEATURES);
        List<QueueClient> clients = new ArrayList<>();
        for (int i = 0; i < queues; i++) {
            clients.add(new QueueClient(fixture, i, size, remote, BLOCK));
        }
        return clients;
    }

    static List<QueueClient> start(DiskFixture fixture, int queues, int size, boolean remote) {
        List<QueueClient> clients = negotiated(fixture, queues, size, remote);
        fixture.driver.driverOk();
        return clients;
    }
}
