package org.vfio4j.bench;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.vfio4j.devicemodel.CommandKind;
import org.vfio4j.devicemodel.CommandRun;
import org.vfio4j.devicemodel.CommandSet;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueueStatistics;

/** What a queue thread spends on counting and timing a batch of commands: to be held against the time of as many commands. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class StatisticsBenchmark {

    private static final int BYTES = 4096;

    @Param({"1", "32"})
    public int batch;

    private final QueueStatistics queue =
            new DeviceRecorder("bench", 1, DeviceRecorder.DEFAULT_SLOW_NS, () -> 0).queue(0);
    private final CommandRun run = new CommandRun(new Reads());
    private long lookedNs = System.nanoTime();

    /** As a busy thread counts: it takes a batch right behind the one that it has answered. */
    @Benchmark
    public long run() {
        queue.started(batch);
        for (int i = 0; i < batch; i++) {
            run.add(queue, 0, 0, lookedNs, i, BYTES);
        }
        lookedNs = run.end();
        return lookedNs;
    }

    /** Each command for itself, between two questions for the time. */
    @Benchmark
    public long oneByOne() {
        long seenNs = System.nanoTime();
        queue.started(batch);
        long doneNs = System.nanoTime();
        for (int i = 0; i < batch; i++) {
            long latencyNs = doneNs - seenNs;
            if (queue.completed(CommandKind.READ, BYTES, latencyNs, true)) {
                queue.slow("read", i, BYTES, latencyNs, 0);
            }
        }
        return doneNs;
    }

    /** One question for the time. */
    @Benchmark
    public long clock() {
        return System.nanoTime();
    }

    private record Reads() implements CommandSet {
        @Override
        public CommandKind kind(int opcode) {
            return CommandKind.READ;
        }

        @Override
        public String name(int opcode) {
            return "read";
        }

        @Override
        public boolean isPlaced(int opcode) {
            return true;
        }

        @Override
        public boolean worked(int status) {
            return status == 0;
        }
    }
}
