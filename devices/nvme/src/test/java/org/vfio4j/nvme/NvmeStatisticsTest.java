package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;

/** What a controller says of each queue pair, and of commands that take too long. */
@Timeout(60)
class NvmeStatisticsTest {

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void countsCommandsByKind(boolean remote) {
        try (NvmeFixture fixture = new NvmeFixture().start(remote)) {
            long page = fixture.pages(1);
            fixture.io(WRITE, 0, 8, page, 0);
            fixture.io(READ, 0, 8, page, 0);
            fixture.io(READ, 8, 1, page, 0);
            fixture.io(READ, 1 << 20, 1, page, 0);
            fixture.io.run(new NvmeCommand(FLUSH).nsid(1));
            fixture.io(WRITE_ZEROES, 0, 4, 0, 0);
            fixture.io(VERIFY, 0, 4, 0, 0);

            NvmeDriver.await("all are counted", () -> queue(fixture, 1).others() == 1);
            QueueSnapshot queue = queue(fixture, 1);
            assertThat(List.of(
                            queue.reads(),
                            queue.writes(),
                            queue.flushes(),
                            queue.discards(),
                            queue.others(),
                            queue.errors()))
                    .containsExactly(2L, 1L, 1L, 1L, 1L, 1L);
            assertThat(queue.readBytes()).isEqualTo(9 * NvmeFixture.BLOCK);
            assertThat(queue.writtenBytes()).isEqualTo(8 * NvmeFixture.BLOCK);
            assertThat(queue.inFlight()).isZero();
            assertThat(queue.notifications()).isEqualTo(7);
            assertThat(queue.readLatency().count()).isEqualTo(3);
            assertThat(queue.readLatency().maxNs()).isBetween(1L, 60_000_000_000L);
            assertThat(queue(fixture, 0).others())
                    .as("queues that were created")
                    .isEqualTo(2);
            assertThat(statistics(fixture).cpuNs()).isPositive();
        }
    }

    /** The time at which a command is taken is asked for before it comes, but not long before. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noLatencyReachesBackIntoTheIdleTimeBefore(boolean polls) throws InterruptedException {
        QueuePolling polling = polls ? QueuePolling.ALWAYS : QueuePolling.ADAPTIVE;
        try (NvmeFixture fixture =
                new NvmeFixture(new MemoryBackend(NvmeFixture.DISK_BYTES), builder -> builder.poll(polling)).start()) {
            long page = fixture.pages(1);
            long startNs = System.nanoTime();
            fixture.io(READ, 0, 8, page, 0);
            Thread.sleep(2000);
            fixture.io(READ, 0, 8, page, 0);
            NvmeDriver.await("both are counted", () -> queue(fixture, 1).reads() == 2);
            assertThat(queue(fixture, 1).readLatency().totalNs())
                    .isBetween(1L, System.nanoTime() - startNs - 1_500_000_000);
        }
    }

    @Test
    void whatWaitsForStorageIsInFlight() {
        FaultyBackend storage = new FaultyBackend(new MemoryBackend(NvmeFixture.DISK_BYTES));
        try (NvmeFixture fixture = new NvmeFixture(storage, builder -> builder).start()) {
            storage.stalled = true;
            fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
            NvmeDriver.await("a read in flight", () -> queue(fixture, 1).inFlight() == 1);
            assertThat(queue(fixture, 1).reads()).isZero();
            storage.letGo();
            fixture.io.await();
            NvmeDriver.await("none in flight", () -> queue(fixture, 1).inFlight() == 0);
            assertThat(queue(fixture, 1).reads()).isEqualTo(1);
        }
    }

    @Test
    void tellsFlightRecorderOfSlowCommands() throws InterruptedException {
        List<RecordedEvent> events = new CopyOnWriteArrayList<>();
        CountDownLatch seen = new CountDownLatch(2);
        try (RecordingStream stream = new RecordingStream();
                NvmeFixture fixture = new NvmeFixture(
                        new MemoryBackend(NvmeFixture.DISK_BYTES),
                        builder -> builder.name("nvme-9").slowNs(0))) {
            stream.enable("org.vfio4j.SlowCommand");
            stream.onEvent("org.vfio4j.SlowCommand", event -> {
                events.add(event);
                seen.countDown();
            });
            stream.startAsync();
            fixture.start();
            fixture.io(READ, 17, 8, fixture.pages(1), 0);
            fixture.io.run(new NvmeCommand(FLUSH).nsid(1));
            assertThat(seen.await(20, TimeUnit.SECONDS)).isTrue();
            assertThat(events).extracting(event -> event.getString("opcode")).containsExactly("Read", "Flush");
            assertThat(events).extracting(event -> event.getLong("lba")).containsExactly(17L, -1L);
            assertThat(events).extracting(event -> event.getInt("queue")).containsExactly(1, 1);
            assertThat(events).extracting(event -> event.getString("device")).containsOnly("nvme-9");
            assertThat(queue(fixture, 1).slow()).isEqualTo(2);
        }
    }

    private static QueueSnapshot queue(NvmeFixture fixture, int number) {
        return statistics(fixture).queues().get(number);
    }

    private static DeviceStatistics statistics(NvmeFixture fixture) {
        return fixture.nvme.function().platform(DeviceStatistics.class).orElseThrow();
    }
}
