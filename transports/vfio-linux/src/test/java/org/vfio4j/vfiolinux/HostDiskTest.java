package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * Disks that are hardware to the process that serves them: a guest's driver, a socket, vfio-pci, and the open device of another core, which
 * has its own registers, memory and interrupts, as the kernel has.
 */
class HostDiskTest {

    private static final long DISK_BYTES = 8 << 20;
    private static final int PIECE = 64 << 10;
    private static final int PIECES = 64;
    private static final long LIMIT_NS = 10_000_000_000L;

    @TempDir
    private Path directory;

    @Test
    void anNvmeDiskKeepsWhatWasWritten() {
        Leaks before = Leaks.snapshot();
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Nvme nvme = Nvme.builder(NvmeIdentity.of("HOST-1"))
                        .namespace(new NamespaceOptions(storage, 512, Optional.empty()))
                        .queuePairs(4)
                        .build()) {
            serve(nvme.function(), file -> {
                NvmeDriver driver = NvmeDriver.open(file, NvmeOptions.DEFAULTS.withQueues(2));
                assertThat(driver.interrupted()).isTrue();
                return driver;
            });
        }
        before.assertNone();
    }

    @Test
    void aVirtioDiskKeepsWhatWasWritten() {
        Leaks before = Leaks.snapshot();
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                VirtioBlk disk = VirtioBlk.builder(storage).queues(2).build()) {
            serve(disk.function(), file -> VirtioBlkDriver.open(file, VirtioBlkOptions.DEFAULTS.withQueues(2)));
        }
        before.assertNone();
    }

    // Two clients, one after the other: the second finds a function that the first has left.
    private void serve(PciFunction emulated, Function<VfioDeviceFile, DiskDriver> opener) {
        Path socket = directory.resolve("s");
        EventLoop loop = new EventLoop();
        try (IoAddressSpace memory = new IoAddressSpace(64);
                HostMachine machine = new HostMachine(HostMachine.host(emulated, memory));
                VfioUserServer server =
                        VfioUserServer.listen(loop, socket, machine.open(), VfioUserServerOptions.DEFAULTS)) {
            for (int seed = 1; seed <= 2; seed++) {
                try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
                        DiskDriver driver = opener.apply(client)) {
                    assertThat(memory.size())
                            .as("what the client has mapped, the device behind has")
                            .isPositive();
                    writeAndVerify(driver, seed);
                }
            }
            assertThat(server.statistics().connections()).isEqualTo(2);
        } finally {
            loop.close();
        }
    }

    private static void writeAndVerify(DiskDriver driver, int seed) {
        for (int queue = 0; queue < driver.queueCount(); queue++) {
            DiskQueue used = driver.queue(queue);
            long buffer = driver.memory().allocate(PIECE, 4096);
            MemorySegment data = driver.memory().segment(buffer, PIECE);
            long start = queue * DISK_BYTES / 2;
            for (int i = 0; i < PIECES; i++) {
                data.fill((byte) (seed * 31 + i));
                used.write(start + (long) i * PIECE, buffer, PIECE, i);
                complete(used);
            }
            for (int i = 0; i < PIECES; i++) {
                data.fill((byte) 0);
                used.read(start + (long) i * PIECE, buffer, PIECE, i);
                complete(used);
                byte expected = (byte) (seed * 31 + i);
                assertThat(data.toArray(ValueLayout.JAVA_BYTE)).containsOnly(expected);
            }
        }
    }

    // By an interrupt: await sleeps until there is one.
    private static void complete(DiskQueue queue) {
        queue.kick();
        while (queue.inFlight() > 0) {
            assertThat(queue.await(LIMIT_NS)).as("an interrupt").isTrue();
            queue.poll((tag, status) -> assertThat(status).isZero());
        }
    }
}
