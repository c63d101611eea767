package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Commands that are counted together count as each of them would by itself. */
@Timeout(60)
class CommandRunTest {

    private static final int READ = 0;
    private static final int WRITE = 1;
    private static final int FLUSH = 2;
    private static final int FAILED = 7;

    private final DeviceRecorder recorder = new DeviceRecorder("disk", 2, Long.MAX_VALUE, () -> 0);
    private final QueueStatistics first = recorder.queue(0);
    private final QueueStatistics second = recorder.queue(1);
    private final CommandRun run = new CommandRun(Words.ALL);

    @Test
    void countsWhateverComesTogether() {
        long startNs = System.nanoTime() - 1000;
        first.started(140);
        second.started(3);
        for (int i = 0; i < 130; i++) {
            run.add(first, READ, 0, startNs, i, 512);
        }
        run.add(first, READ, FAILED, startNs, 0, 512);
        run.add(second, WRITE, 0, startNs, 0, 4096);
        run.add(second, WRITE, 0, startNs - 1_000_000_000, 0, 4096);
        run.add(second, FLUSH, 0, startNs, 0, 0);
        run.add(first, READ, 0, startNs, 0, 512);
        run.end();
        QueueSnapshot reads = first.snapshot();
        assertThat(List.of(reads.reads(), reads.errors(), reads.inFlight(), reads.readBytes()))
                .containsExactly(131L, 1L, 8L, 131L * 512);
        assertThat(reads.readLatency().count()).isEqualTo(132);
        assertThat(reads.readLatency().totalNs())
                .isEqualTo(132 * reads.readLatency().maxNs());
        QueueSnapshot others = second.snapshot();
        assertThat(List.of(others.writes(), others.flushes(), others.inFlight(), others.writtenBytes()))
                .containsExactly(2L, 1L, 0L, 8192L);
        assertThat(others.writeLatency().maxNs()).isGreaterThanOrEqualTo(1_000_000_000);
        assertThat(others.writeLatency().percentileNs(50)).isLessThan(1_000_000_000);
    }

    @Test
    void asksForTheTimeOnlyWhenThereIsSomethingAndOnceForAll() {
        assertThat(run.end()).isZero();
        long before = System.nanoTime();
        run.add(first, READ, 0, before, 0, 512);
        run.add(second, WRITE, 0, before, 0, 512);
        long asked = run.end();
        assertThat(asked).isBetween(before, System.nanoTime());
        assertThat(first.snapshot().readLatency().maxNs()).isEqualTo(asked - before);
        assertThat(second.snapshot().writeLatency().maxNs()).isEqualTo(asked - before);
        assertThat(run.end()).as("nothing is counted twice").isZero();
        assertThat(first.snapshot().reads()).isEqualTo(1);
    }

    @Test
    void tellsOfEachSlowCommand() throws InterruptedException {
        List<RecordedEvent> events = new ArrayList<>();
        try (RecordingStream stream = new RecordingStream()) {
            stream.enable("org.vfio4j.SlowCommand");
            stream.onEvent("org.vfio4j.SlowCommand", events::add);
            stream.startAsync();
            QueueStatistics queue = new DeviceRecorder("slow", 1, 1_000_000, () -> 0).queue(0);
            long now = System.nanoTime();
            run.add(queue, READ, 0, now - 2_000_000, 5, 512);
            run.add(queue, READ, 0, now - 2_000_000, 6, 1024);
            run.add(queue, FLUSH, FAILED, now - 3_000_000, 9, 0);
            run.add(queue, WRITE, 0, now + 1_000_000_000, 7, 512);
            run.end();
            assertThat(queue.snapshot().slow()).isEqualTo(3);
            stream.stop();
        }
        assertThat(events).extracting(event -> event.getString("opcode")).containsExactly("READ", "READ", "FLUSH");
        assertThat(events).extracting(event -> event.getLong("lba")).containsExactly(5L, 6L, -1L);
        assertThat(events).extracting(event -> event.getLong("bytes")).containsExactly(512L, 1024L, 0L);
        assertThat(events).extracting(event -> event.getInt("status")).containsExactly(0, 0, FAILED);
    }

    @Test
    void countingAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        work();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 5; i++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            work();
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertThat(least).isLessThan(1000);
    }

    private void work() {
        for (int i = 0; i < 100_000; i++) {
            run.add(i % 7 == 0 ? second : first, i % 3, 0, i / 32, i, 512);
            if (i % 32 == 0) {
                run.end();
            }
        }
    }

    private enum Words implements CommandSet {
        ALL;

        @Override
        public CommandKind kind(int opcode) {
            return switch (opcode) {
                case READ -> CommandKind.READ;
                case WRITE -> CommandKind.WRITE;
                default -> CommandKind.FLUSH;
            };
        }

        @Override
        public String name(int opcode) {
            return kind(opcode).name();
        }

        @Override
        public boolean isPlaced(int opcode) {
            return opcode != FLUSH;
        }

        @Override
        public boolean worked(int status) {
            return status == 0;
        }
    }
}
