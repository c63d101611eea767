package org.vfio4j.cli.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A driver that writes and verifies in a thread of its own, until it is told to finish. */
public final class RunningLoad implements AutoCloseable {

    private static final int MORE = 200;
    private static final long PATIENCE_NS = 60_000_000_000L;
    private static final VfioUserClientOptions PATIENT = VfioUserClientOptions.DEFAULTS.withTimeoutNs(PATIENCE_NS);

    private final VfioUserClient client;
    private final DiskDriver disk;
    private final VerifiedLoad load;
    private final CompletableFuture<Void> running;
    private boolean closed;

    private RunningLoad(VfioUserClient client, DiskDriver disk, Consumer<VerifiedLoad> first) {
        this.client = client;
        this.disk = disk;
        load = new VerifiedLoad(disk, 1);
        first.accept(load);
        running = CompletableFuture.runAsync(load, run -> Thread.ofPlatform().start(run));
    }

    public static RunningLoad virtio(Path socket) {
        return virtio(socket, load -> {});
    }

    /** @param first what is done with the load before it runs */
    public static RunningLoad virtio(Path socket, Consumer<VerifiedLoad> first) {
        VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
        VirtioBlkOptions options = VirtioBlkOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes());
        return new RunningLoad(client, VirtioBlkDriver.open(client, options), first);
    }

    public static RunningLoad nvme(Path socket, NvmeOptions.Doorbells doorbells) {
        return nvme(socket, doorbells, load -> {});
    }

    /** @param first what is done with the load before it runs */
    public static RunningLoad nvme(Path socket, NvmeOptions.Doorbells doorbells, Consumer<VerifiedLoad> first) {
        VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
        NvmeDriver driver = NvmeDriver.open(
                client, NvmeOptions.DEFAULTS.withDoorbells(doorbells).withBufferBytes(VerifiedLoad.bufferBytes()));
        assertThat(driver.doorbells()).isEqualTo(doorbells);
        return new RunningLoad(client, driver, first);
    }

    public VerifiedLoad load() {
        return load;
    }

    /** Waits until some requests more have completed than were under way. */
    public void awaitMore() {
        long goal = load.completed.get() + MORE;
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (load.completed.get() < goal) {
            if (running.isDone()) {
                running.join();
            }
            assertThat(System.nanoTime()).as("progress").isLessThan(deadline);
            LockSupport.parkNanos(1_000_000);
        }
    }

    /** Ends it, and looks at every block once more. */
    public void finish() {
        load.stop = true;
        running.join();
    }

    /** Whatever has come of it. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            load.stop = true;
            running.handle((done, failure) -> done).join();
            disk.close();
            client.close();
        }
    }
}
