package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A driver that keeps a served disk busy and checks each block that it reads, in a thread of its own, until it is told to end. */
final class DemoLoad implements AutoCloseable {

    private static final int DEPTH = 16;
    private static final int BLOCK_BYTES = 4096;
    private static final long LIMIT_NS = TimeUnit.MINUTES.toNanos(5);

    private final VfioUserClient client;
    private final VirtioBlkDriver driver;
    private final QueueLoad load;
    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private final AtomicBoolean stop = new AtomicBoolean();
    private final Future<Long> elapsedNs;

    private DemoLoad(VfioUserClient client, VirtioBlkDriver driver) {
        this.client = client;
        this.driver = driver;
        BenchDisk disk = new VirtioBlkBenchDisk(driver);
        DiskLoad wanted = new DiskLoad(Workload.MIXED, BLOCK_BYTES, DEPTH, 1, true, true);
        long buffer = disk.memory().allocate(wanted.bufferBytes(), BLOCK_BYTES);
        load = new QueueLoad(disk, 0, wanted, buffer, 0, driver.capacityBytes() / BLOCK_BYTES);
        elapsedNs = worker.submit(() -> load.run(LIMIT_NS, stop));
    }

    static DemoLoad start(Path socket) {
        VirtioBlkOptions options =
                VirtioBlkOptions.DEFAULTS.withInterrupts(true).withBufferBytes(2L * DEPTH * BLOCK_BYTES);
        VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
        try {
            return new DemoLoad(client, VirtioBlkDriver.open(client, options));
        } catch (RuntimeException e) {
            client.close();
            throw e;
        }
    }

    /**
     * Ends it.
     *
     * @return how it was, in words
     * @throws CliException when a request failed, or a block was not as it was written
     */
    String end() throws InterruptedException {
        stop.set(true);
        try {
            double seconds = elapsedNs.get() / 1e9;
            return String.format(
                    Locale.ROOT,
                    "the driver: %,d requests in %.1f s, each block as it was written; longest wait for a completion %.1f ms",
                    load.latencies().count(),
                    seconds,
                    load.longestGapNs() / 1e6);
        } catch (ExecutionException e) {
            throw new CliException(
                    ExitCode.FAILED, "the driver: " + e.getCause().getMessage(), "vfio demo");
        }
    }

    @Override
    public void close() {
        stop.set(true);
        worker.close();
        driver.close();
        client.close();
    }
}
