package org.vfio4j.cli.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.cli.load.LatencyHistogram;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfio.VfioDeviceFile;

/** Measures round trips of REGION_READ: 4 bytes of configuration space, which every device has. */
final class RegionBench {

    private static final int BYTES = 4;
    private static final int BATCH = 64;

    private final VfioDeviceFile device;
    private final LatencyHistogram latencies = new LatencyHistogram();
    private final MemorySegment buffer = Arena.ofAuto().allocate(BYTES);

    RegionBench(VfioDeviceFile device) {
        this.device = device;
    }

    BenchResult run(String name, long warmUpNs, long measureNs) {
        loop(warmUpNs);
        latencies.clear();
        long elapsed = loop(measureNs);
        return BenchResult.of(name, 1, BYTES, latencies, elapsed);
    }

    /** Returns how long it took. */
    private long loop(long durationNs) {
        long start = System.nanoTime();
        long now = start;
        while (now - start < durationNs) {
            for (int i = 0; i < BATCH; i++) {
                device.read(Vfio.VFIO_PCI_CONFIG_REGION_INDEX, 0, buffer, 0, BYTES);
                long after = System.nanoTime();
                latencies.record(after - now);
                now = after;
            }
        }
        return now - start;
    }
}
