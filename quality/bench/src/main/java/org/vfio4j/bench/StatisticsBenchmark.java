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
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueueStatistics;

/** What a queue thread spends on counting and timing a batch of requests: to be held against the time of as many requests. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class StatisticsBenchmark {

    @Param({"1", "32"})
    public int batch;

    private final QueueStatistics queue =
            new DeviceRecorder("bench", 1, DeviceRecorder.DEFAULT_SLOW_NS, () -> 0).queue(0);

    @Benchmark
    public long batchOfReads() {
        long seenNs = System.nanoTime();
        queue.started(batch);
        long doneNs = System.nanoTime();
        for (int i = 0; i < batch; i++) {
            long latencyNs = doneNs - seenNs;
            if (queue.completed(CommandKind.READ, 4096, latencyNs, true)) {
                queue.slow("read", i, 4096, latencyNs, 0);
            }
        }
        return doneNs;
    }
}
