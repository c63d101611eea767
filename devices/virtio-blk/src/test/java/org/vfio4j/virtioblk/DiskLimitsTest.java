package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.virtio.testing.VirtioDriver;

/** Limits on a real clock: the rates, what waiting costs, and that they change while the disk works. */
@Timeout(120)
class DiskLimitsTest {

    private static final int BLOCK = 4096;
    private static final int DEPTH = 64;
    private static final int ATTEMPTS = 4;
    /** What a disk that has done less than it may saves, in seconds. */
    private static final double BURST = 0.1;

    private static final double TOLERANCE = 0.02;
    private static final long SECOND = 1_000_000_000;

    /** At one request a second, what is not to be waited for takes minutes. */
    private static final long PROMPT = 5 * SECOND;

    /** Never more than 2 % over the limit; and no less than 2 % below it, while the machine lets the test run. */
    @ParameterizedTest
    @CsvSource({"4000, 0, 1, 1", "20000, 0, 2, 2", "0, 40960000, 2, 1", "6000, 409600000, 2, 2"})
    void holdsWithinTwoPercent(long iops, long bandwidth, int queues, int threads) {
        double limit = Math.min(
                iops == 0 ? Double.MAX_VALUE : iops, bandwidth == 0 ? Double.MAX_VALUE : (double) bandwidth / BLOCK);
        try (DiskFixture fixture =
                DiskQueuesTest.fixture(queues, threads, builder -> builder.limits(iops, bandwidth))) {
            List<QueueClient> clients = DiskQueuesTest.start(fixture, queues, 256, false);
            run(clients, SECOND / 5);
            double nearest = 0;
            for (int i = 0; i < ATTEMPTS && Math.abs(nearest - 1) > TOLERANCE; i++) {
                double share = run(clients, SECOND) / limit;
                // A machine that had no time for this process before leaves it a burst.
                assertThat(share).isLessThan(1 + TOLERANCE + BURST);
                nearest = Math.abs(share - 1) < Math.abs(nearest - 1) ? share : nearest;
            }
            assertThat(nearest).isBetween(1 - TOLERANCE, 1 + TOLERANCE);
        }
    }

    @Test
    void changesWhileItWorksAndWakesWhoWaits() {
        try (DiskFixture fixture = DiskQueuesTest.fixture(1, 1, builder -> builder.limits(1, 0))) {
            QueueClient client = DiskQueuesTest.start(fixture, 1, 256, false).getFirst();
            client.offer(VIRTIO_BLK_T_IN, 200);
            client.kick();
            VirtioDriver.await("the first", () -> client.ring.usedIndex() == 1);
            long before = System.nanoTime();
            fixture.disk.setLimits(0, 0);
            VirtioDriver.await("all", () -> client.ring.usedIndex() == 200);
            assertThat(System.nanoTime() - before).isLessThan(PROMPT);
            fixture.disk.setLimits(0, 1);
            client.offer(VIRTIO_BLK_T_IN, 2);
            client.kick();
            VirtioDriver.await("one more, which is owed", () -> client.ring.usedIndex() == 201);
            fixture.disk.setLimits(1000, 0);
            VirtioDriver.await("the other", () -> client.ring.usedIndex() == 202);
            assertThatThrownBy(() -> fixture.disk.setLimits(-1, 0)).hasMessageContaining("EINVAL");
        }
    }

    /** What waits does so in the driver's ring: a reset has nothing to wait for. */
    @Test
    void nothingIsHeldInTheDevice() {
        try (DiskFixture fixture = DiskQueuesTest.fixture(2, 2, builder -> builder.limits(1, 0))) {
            List<QueueClient> clients = DiskQueuesTest.start(fixture, 2, 256, false);
            long began = System.nanoTime();
            clients.forEach(client -> client.offer(VIRTIO_BLK_T_IN, 200));
            clients.forEach(QueueClient::kick);
            VirtioDriver.await("a first", () -> clients.stream().anyMatch(c -> c.ring.usedIndex() > 0));
            long before = System.nanoTime();
            fixture.disk.function().reset();
            assertThat(System.nanoTime() - before).isLessThan(PROMPT);
            int due = 3 + (int) ((System.nanoTime() - began) / SECOND);
            assertThat(clients.stream().mapToInt(c -> c.ring.usedIndex()).sum()).isLessThanOrEqualTo(due);
        }
    }

    @Test
    void waitingCostsNoProcessorEvenWhilePolling() {
        try (DiskFixture fixture =
                DiskQueuesTest.fixture(1, 1, builder -> builder.limits(50, 0).poll(QueuePolling.ALWAYS))) {
            QueueClient client = DiskQueuesTest.start(fixture, 1, 256, false).getFirst();
            run(List.of(client), SECOND / 2);
            Thread thread = ThreadUse.threadNamed("disk");
            long cpuBefore = ThreadUse.cpuNs(thread);
            run(List.of(client), SECOND);
            assertThat(ThreadUse.cpuNs(thread) - cpuBefore).isLessThan(SECOND / 10);
        }
    }

    /** Requests on a ring that is not mapped are limited as well. */
    @Test
    void holdsForSlowRequests() {
        try (DiskFixture fixture = DiskQueuesTest.fixture(1, 1, builder -> builder.limits(1000, 0))) {
            List<QueueClient> clients = DiskQueuesTest.start(fixture, 1, 256, true);
            run(clients, SECOND / 5);
            double share = 0;
            for (int i = 0; i < ATTEMPTS && (share < 0.8 || share > 1.05); i++) {
                share = run(clients, SECOND / 2) / 1000;
            }
            assertThat(share).isBetween(0.8, 1.05);
        }
    }

    /** Keeps all queues full for a while. Returns requests per second. */
    private static double run(List<QueueClient> clients, long timeNs) {
        long began = System.nanoTime();
        long done = 0;
        long now = began;
        while (now - began < timeNs) {
            for (QueueClient client : clients) {
                int count = 0;
                while (client.ring.hasUsed()) {
                    client.ring.takeRaw();
                    count++;
                }
                done += count;
                int missing = DEPTH - outstanding(client);
                if (missing > 0) {
                    int before = client.ring.availIndex();
                    client.offer(VIRTIO_BLK_T_IN, missing);
                    if (client.ring.wantsNotification(before)) {
                        client.kick();
                    }
                }
            }
            java.util.concurrent.locks.LockSupport.parkNanos(200_000);
            now = System.nanoTime();
        }
        return done * (double) SECOND / (now - began);
    }

    private static int outstanding(QueueClient client) {
        return (client.ring.availIndex() - client.ring.usedIndex()) & 0xffff;
    }
}
