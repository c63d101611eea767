package org.vfio4j.bench;

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
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfio.IoAddressSpace;

/** Guest address to address of this process, among few and many maps. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class TranslateBenchmark {

    private static final long MAP_BYTES = 1L << 20;

    @Param({"1", "8", "1024"})
    public int maps;

    private final IoAddressSpace space = new IoAddressSpace(65535);
    private DmaWindow window;
    private int random = 1;

    @Setup
    public void open() {
        for (int i = 0; i < maps; i++) {
            space.map(i * MAP_BYTES, DmaSpace.READ | DmaSpace.WRITE, Mapping.anonymous(MAP_BYTES));
        }
        window = space.openWindow();
        window.enter();
    }

    @TearDown
    public void close() {
        window.leave();
        window.close();
        space.close();
    }

    @Benchmark
    public long sameMap() {
        return window.translate(4096, 4096, DmaSpace.WRITE);
    }

    @Benchmark
    public long randomMap() {
        random = random * 1664525 + 1013904223;
        return window.translate(((random >>> 8) % maps) * MAP_BYTES, 4096, DmaSpace.WRITE);
    }
}
