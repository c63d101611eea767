package org.vfio4j.bench;

import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/**
 * Reads of 4 bytes of a region, one after the other, of any vfio-user server: the counterpart of echo.c. Arguments: socket,
 * microseconds that the client looks for a reply before it blocks, seconds, and a region if it is not configuration space.
 * Prints round trips per second, and p50, p99 and p99.9 in microseconds.
 */
public final class RegionLoop {

    private static final int MAX_SAMPLES = 8 << 20;
    private static final long WARM_UP_NS = 3_000_000_000L;

    private final int[] samplesNs = new int[MAX_SAMPLES];
    private int count;

    private RegionLoop() {}

    public static void main(String[] args) {
        VfioUserClientOptions options = VfioUserClientOptions.DEFAULTS.withSpinNs(Long.parseLong(args[1]) * 1000);
        int region = args.length > 3 ? Integer.parseInt(args[3]) : VFIO_PCI_CONFIG_REGION_INDEX;
        RegionLoop loop = new RegionLoop();
        try (VfioUserClient client = VfioUserClient.connect(Path.of(args[0]), options)) {
            loop.run(client, region, WARM_UP_NS);
            long ns = Long.parseLong(args[2]) * 1_000_000_000;
            System.out.println(loop.run(client, region, ns));
        }
    }

    private String run(VfioUserClient client, int region, long ns) {
        MemorySegment buffer = Arena.global().allocate(8, 8);
        count = 0;
        long begin = System.nanoTime();
        long at = begin;
        while (at - begin < ns && count < MAX_SAMPLES) {
            client.read(region, 0, buffer, 0, 4);
            long after = System.nanoTime();
            samplesNs[count] = (int) Math.min(after - at, Integer.MAX_VALUE);
            count++;
            at = after;
        }
        Arrays.sort(samplesNs, 0, count);
        double perSecond = count * 1e9 / (at - begin);
        return String.format(Locale.ROOT, "%.0f %.1f %.1f %.1f", perSecond, us(0.5), us(0.99), us(0.999));
    }

    private double us(double part) {
        return samplesNs[(int) (count * part)] / 1e3;
    }
}
