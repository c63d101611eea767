package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.virtioblk.VirtioBlkDisk;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * Two disks of one process, of which the storage of one answers nothing: its client waits, in a reset, in an unmap or for its successor, and
 * the other's client works on.
 */
@Timeout(60)
class StalledNeighbourTest {

    private static final long IOVA = 0x1_0000_0000L;
    private static final long MEMORY_BYTES = 4 << 20;
    private static final int BLOCK = 4096;

    @TempDir
    private Path directory;

    private final StallingStorage storage = new StallingStorage(new MemoryBackend(1 << 20));
    private final LocalDisk stalls = new LocalDisk(storage);
    private final LocalDisk works = new LocalDisk();
    private final EventLoop loop = new EventLoop();
    private VfioUserServer server;
    private VfioUserServer otherServer;
    private VfioUserClient client;
    private Fd fd;
    private Mapping memory;

    @BeforeEach
    void stall() throws InterruptedException {
        server = VfioUserServer.listen(loop, directory.resolve("s"), stalls.openFile(), VfioUserServerOptions.DEFAULTS);
        otherServer =
                VfioUserServer.listen(loop, directory.resolve("o"), works.openFile(), VfioUserServerOptions.DEFAULTS);
        fd = MemFd.create("client", MEMORY_BYTES);
        memory = Mapping.shared(fd, 0, MEMORY_BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);
        client = VfioUserClient.connect(directory.resolve("s"), VfioUserClientOptions.DEFAULTS);
        client.dmaMap(IOVA, MEMORY_BYTES, DmaSpace.READ | DmaSpace.WRITE, fd, 0);
        VirtioBlkDriver driver =
                VirtioBlkDriver.open(client, DmaMemory.of(IOVA, memory.segment()), VirtioBlkOptions.DEFAULTS);
        DiskQueue queue = driver.queue(0);
        storage.stall();
        queue.read(0, driver.memory().allocate(BLOCK, BLOCK), BLOCK, 0);
        queue.kick();
        while (storage.stalled() == 0) {
            Thread.sleep(1);
        }
    }

    @AfterEach
    void close() {
        storage.goOn();
        client.close();
        server.close();
        otherServer.close();
        loop.close();
        stalls.close();
        works.close();
        memory.close();
        fd.close();
    }

    @Test
    void aResetIsAnsweredLate() {
        assertLate(() -> client.reset());
    }

    @Test
    void anUnmapIsAnsweredLate() {
        assertLate(() -> client.dmaUnmap(IOVA, MEMORY_BYTES));
    }

    @Test
    void aClientBehindOneThatHasGoneIsLetInLate() {
        client.close();
        assertLate(() -> VfioUserClient.connect(directory.resolve("s"), VfioUserClientOptions.DEFAULTS)
                .close());
    }

    private void assertLate(Runnable request) {
        CompletableFuture<Void> answered = CompletableFuture.runAsync(request);
        try (VfioUserClient other = VfioUserClient.connect(directory.resolve("o"), VfioUserClientOptions.DEFAULTS);
                VirtioBlkDriver driver = VirtioBlkDriver.open(other, VirtioBlkOptions.DEFAULTS);
                Arena arena = Arena.ofConfined()) {
            VirtioBlkDisk disk = new VirtioBlkDisk(driver, 0);
            MemorySegment block = arena.allocate(BLOCK);
            for (int i = 0; i < 100; i++) {
                block.fill((byte) i);
                disk.write(0, block);
                disk.read(0, block.fill((byte) -1));
                assertThat(block.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) i);
            }
            other.reset();
        }
        assertThat(answered).isNotDone();
        storage.goOn();
        assertThat(answered).succeedsWithin(Duration.ofSeconds(30));
    }
}
