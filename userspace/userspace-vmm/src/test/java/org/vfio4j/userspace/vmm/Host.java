package org.vfio4j.userspace.vmm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciAuxiliaryDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciDriver;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** A machine that serves one disk that can migrate. */
final class Host implements AutoCloseable {

    static final long MEMORY_BYTES = 32L << 20;
    static final long IOVA = 1L << 32;

    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private final VirtioBlk disk;
    private final Path socket;

    Host(BlockBackend storage) {
        PciBus bus = new PciBus();
        VfioRegistry registry = new VfioRegistry();
        bus.provide(VfioRegistry.class, registry);
        bus.auxiliary().register(new Mlx5VfioPciAuxiliaryDriver());
        bus.register(new Mlx5VfioPciDriver());
        bus.register(new Mlx5CoreDriver());
        Bluefield dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
        opened.push(dpu);
        disk = VirtioBlk.builder(storage).name("disk").queues(2).queueSize(256).build();
        dpu.createVirtioBlk(0, PciAddress.parse("08:00.0"), disk);
        try {
            Path directory = Files.createTempDirectory("vmm");
            opened.push(() -> Files.delete(directory));
            socket = directory.resolve("disk.sock");
            EventLoop loop = new EventLoop();
            opened.push(loop);
            LocalDeviceFile file = registry.devices().stream()
                    .filter(device -> device.parentName().equals("0000:08:00.0"))
                    .findFirst()
                    .orElseThrow()
                    .open();
            opened.push(VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    VirtioBlk disk() {
        return disk;
    }

    /** A connection to the disk: a hypervisor's. */
    GuestDevice connect() {
        return new GuestDevice(VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS.withPostedWrites(true)));
    }

    /** A guest that runs on the disk. */
    VirtualMachine boot(DiskGuestOptions options) {
        return boot(options, MEMORY_BYTES);
    }

    VirtualMachine boot(DiskGuestOptions options, long memoryBytes) {
        GuestDevice device = connect();
        GuestMemory memory = GuestMemory.create(List.of(new GuestMemory.Range(IOVA, memoryBytes)));
        memory.mapFor(device);
        DiskGuest guest = new DiskGuest(device, memory, options);
        guest.resume();
        return new VirtualMachine(device, memory, guest);
    }

    /** The state of the disk for who connects now. */
    VfioMigrationState state() {
        try (GuestDevice device = connect()) {
            return new MigratingDevice(device).state();
        }
    }

    @Override
    public void close() {
        try {
            while (!opened.isEmpty()) {
                opened.pop().close();
            }
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
