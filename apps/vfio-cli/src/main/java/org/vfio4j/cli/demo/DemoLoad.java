package org.vfio4j.cli.demo;

import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.cli.load.DiskLoad;
import org.vfio4j.cli.load.QueueLoad;
import org.vfio4j.cli.load.Workload;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A driver that keeps a served disk busy for a while, in a thread of its own, and checks each block that it reads. */
final class DemoLoad implements AutoCloseable {

    /**
     * How a while was.
     *
     * @param longestWaitNs for a completion, with requests in flight all the time
     */
    record Result(long requests, long elapsedNs, long longestWaitNs) {}

    private static final int DEPTH = 16;
    private static final int BLOCK_BYTES = 4096;
    private static final long LIMIT_NS = TimeUnit.MINUTES.toNanos(5);

    private final VfioUserClient client;
    private final VirtioBlkDriver driver;
    private final QueueLoad load;
    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private final AtomicBoolean stop = new AtomicBoolean();

    private DemoLoad(VfioUserClient client, VirtioBlkDriver driver) {
        this.client = client;
        this.driver = driver;
        DiskLoad wanted = new DiskLoad(Workload.MIXED, BLOCK_BYTES, DEPTH, 1, true, true);
        long buffer = driver.memory().allocate(wanted.bufferBytes(), BLOCK_BYTES);
        load = new QueueLoad(driver, 0, wanted, buffer, 0, driver.capacityBytes() / BLOCK_BYTES);
    }

    static DemoLoad open(Path socket) {
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

    /** Begins; the returned while ends at {@link #end}. */
    Future<Long> begin() {
        stop.set(false);
        return worker.submit(() -> load.run(LIMIT_NS, stop));
    }

    /**
     * Ends what was begun.
     *
     * @throws CliException when a request failed, or a block was not as it was written
     */
    Result end(Future<Long> begun) throws InterruptedException {
        stop.set(true);
        try {
            long elapsedNs = begun.get();
            return new Result(load.latencies().count(), elapsedNs, load.longestGapNs());
        } catch (ExecutionException e) {
            throw new CliException(ExitCode.FAILED, "the driver: " + e.getMessage(), "vfio demo");
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
