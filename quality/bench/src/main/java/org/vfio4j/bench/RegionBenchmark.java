package org.vfio4j.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** Register accesses: through client, socket and server, and without them. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class RegionBenchmark {

    private static final int DEVICE_STATUS = 20;

    private final MemorySegment buffer = Arena.global().allocate(8, 8);
    private ServedDisk local;
    private ServedDisk remote;
    private VfioUserClient client;

    @Setup
    public void open() {
        local = new ServedDisk();
        remote = new ServedDisk();
        client = remote.connect(VfioUserClientOptions.DEFAULTS.withSpinNs(1_000_000_000));
    }

    @TearDown
    public void close() {
        client.close();
        remote.close();
        local.close();
    }

    @Benchmark
    public void remoteConfigRead() {
        client.read(Vfio.VFIO_PCI_CONFIG_REGION_INDEX, 0, buffer, 0, 4);
    }

    @Benchmark
    public void remoteBarRead() {
        client.read(Vfio.VFIO_PCI_BAR4_REGION_INDEX, DEVICE_STATUS, buffer, 0, 1);
    }

    @Benchmark
    public void localConfigRead() {
        local.file().read(Vfio.VFIO_PCI_CONFIG_REGION_INDEX, 0, buffer, 0, 4);
    }

    @Benchmark
    public void localBarRead() {
        local.file().read(Vfio.VFIO_PCI_BAR4_REGION_INDEX, DEVICE_STATUS, buffer, 0, 1);
    }
}
