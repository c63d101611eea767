package org.vfio4j.bench;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.IoasLogging;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/** What a device pays to tell of a write, with and without a log: a disk tells of three for each read. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class DirtyLogBenchmark {

    private static final int PAGE = 4096;
    private static final long BYTES = 1L << 30;

    @Param({"false", "true"})
    public boolean logged;

    private final IoAddressSpace space = new IoAddressSpace(16);
    private final IoasLogging logging = new IoasLogging();
    private DmaWindow window;
    private int random = 1;

    @Setup
    public void open() {
        window = space.openWindow();
        logging.attach(space);
        if (logged) {
            logging.start(List.of(), PAGE);
        }
        window.enter();
    }

    @TearDown
    public void close() {
        window.leave();
        window.close();
        logging.stop();
        logging.detach();
        space.close();
    }

    @Benchmark
    public int markPage() {
        random = random * 1664525 + 1013904223;
        window.markDirty(Integer.toUnsignedLong(random) & (BYTES - PAGE), PAGE);
        return random;
    }

    /** A report of 1 GiB in which little is dirty. */
    @Benchmark
    public int report() {
        window.markDirty(0, 1);
        logging.readAndClear(new Range(0, BYTES), page -> random++);
        return random;
    }
}
