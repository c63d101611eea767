package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is counted, what a reader sees meanwhile, and who hears of slow commands. */
@Timeout(60)
class QueueStatisticsTest {

    private static final long SLOW_NS = 1_000_000;

    private final DeviceRecorder recorder = new DeviceRecorder("disk-7", 4, SLOW_NS, () -> 42);

    @Test
    void countsEachKindForItself() {
        QueueStatistics queue = recorder.queue(2);
        queue.started(6);
        queue.completed(CommandKind.READ, 4096, 10_000, true);
        queue.completed(CommandKind.READ, 4096, 20_000, false);
        queue.completed(CommandKind.WRITE, 512, 30_000, true);
        queue.completed(CommandKind.FLUSH, 0, 40_000, true);
        queue.completed(CommandKind.DISCARD, 0, 50_000, true);
        queue.notified();
        queue.notified();
        queue.interrupted();

        QueueSnapshot seen = recorder.queues().getFirst();
        assertThat(seen.queue()).isEqualTo(2);
        assertThat(List.of(seen.reads(), seen.writes(), seen.flushes(), seen.discards(), seen.others()))
                .containsExactly(1L, 1L, 1L, 1L, 0L);
        assertThat(List.of(seen.readBytes(), seen.writtenBytes(), seen.errors(), seen.inFlight()))
                .containsExactly(4096L, 512L, 1L, 1L);
        assertThat(List.of(seen.notifications(), seen.interrupts())).containsExactly(2L, 1L);
        assertThat(seen.readLatency().count()).isEqualTo(2);
        assertThat(seen.writeLatency().totalNs()).isEqualTo(30_000);
        assertThat(seen.otherLatency().count()).isEqualTo(2);
        queue.abandoned();
        assertThat(recorder.queues().getFirst().inFlight()).isZero();
    }

    @Test
    void queuesThatWereNeverUsedAreNotThere() {
        assertThat(recorder.queues()).isEmpty();
        QueueStatistics third = recorder.queue(3);
        recorder.queue(1);
        assertThat(recorder.queue(3)).isSameAs(third);
        assertThat(recorder.queues()).extracting(QueueSnapshot::queue).containsExactly(1, 3);
        assertThat(recorder.cpuNs()).isEqualTo(42);
        assertThat(recorder.slowNs()).isEqualTo(SLOW_NS);
    }

    /** Nothing goes back from one snapshot to the next, a counted command has a duration, and at the end all is there. */
    @Test
    void aSnapshotMakesSenseWhileTheQueueCounts() throws InterruptedException {
        long commands = 3_000_000;
        QueueStatistics queue = recorder.queue(0);
        Thread writer = Thread.ofPlatform().daemon().start(() -> {
            for (int i = 0; i < commands; i++) {
                queue.started(1);
                queue.completed(i % 2 == 0 ? CommandKind.READ : CommandKind.WRITE, 512, i % 5000, true);
            }
        });
        QueueSnapshot before = queue.snapshot();
        int meanwhile = 0;
        while (writer.isAlive()) {
            QueueSnapshot now = queue.snapshot();
            assertThat(now.reads()).isBetween(before.reads(), now.readLatency().count());
            assertThat(now.writes())
                    .isBetween(before.writes(), now.writeLatency().count());
            assertThat(now.readBytes()).isGreaterThanOrEqualTo(before.readBytes());
            assertThat(now.readLatency().since(before.readLatency()).count())
                    .isEqualTo(now.readLatency().count() - before.readLatency().count());
            assertThat(now.inFlight()).isBetween(0L, 1L);
            meanwhile += now.reads() > before.reads() ? 1 : 0;
            before = now;
        }
        writer.join();
        assertThat(meanwhile).as("snapshots that saw something new").isGreaterThan(2);
        QueueSnapshot end = queue.snapshot();
        assertThat(end.reads() + end.writes()).isEqualTo(commands);
        assertThat(end.readLatency().count() + end.writeLatency().count()).isEqualTo(commands);
        assertThat(end.readBytes() + end.writtenBytes()).isEqualTo(512 * commands);
    }

    @Test
    void aSlowCommandIsAnEventOfFlightRecorder() throws InterruptedException {
        List<RecordedEvent> events = new CopyOnWriteArrayList<>();
        CountDownLatch seen = new CountDownLatch(1);
        try (RecordingStream stream = new RecordingStream()) {
            stream.enable("org.vfio4j.SlowCommand");
            stream.onEvent("org.vfio4j.SlowCommand", event -> {
                events.add(event);
                seen.countDown();
            });
            stream.startAsync();
            QueueStatistics queue = recorder.queue(1);
            queue.started(2);
            assertThat(queue.completed(CommandKind.READ, 4096, SLOW_NS, true)).isFalse();
            assertThat(queue.completed(CommandKind.READ, 4096, SLOW_NS + 1, false))
                    .isTrue();
            queue.slow("VIRTIO_BLK_T_IN", 77, 4096, SLOW_NS + 1, 1);
            assertThat(seen.await(30, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(events).hasSize(1);
        RecordedEvent event = events.getFirst();
        assertThat(event.getString("device")).isEqualTo("disk-7");
        assertThat(event.getInt("queue")).isEqualTo(1);
        assertThat(event.getString("opcode")).isEqualTo("VIRTIO_BLK_T_IN");
        assertThat(event.getLong("lba")).isEqualTo(77);
        assertThat(event.getLong("bytes")).isEqualTo(4096);
        assertThat(event.getDuration("latency")).isEqualTo(Duration.ofNanos(SLOW_NS + 1));
        assertThat(event.getInt("status")).isEqualTo(1);
        assertThat(recorder.queues().getFirst().slow()).isEqualTo(1);
    }
}
