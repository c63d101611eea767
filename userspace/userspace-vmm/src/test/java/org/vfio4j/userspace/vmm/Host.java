package org.vfio4j.userspace.vmm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bluefield.SnapBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciAuxiliaryDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciDriver;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
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
    private final LongSupplier served;
    private final LongSupplier faults;
    private final Path socket;

    /** With a virtio disk. */
    Host(BlockBackend storage) {
        this(storage, false);
    }

    /** With a virtio disk, or an NVMe controller. */
    Host(BlockBackend storage, boolean isNvme) {
        PciBus bus = new PciBus();
        VfioRegistry registry = new VfioRegistry();
        bus.provide(VfioRegistry.class, registry);
        bus.auxiliary().register(new Mlx5VfioPciAuxiliaryDriver());
        bus.register(new Mlx5VfioPciDriver());
        bus.register(new Mlx5CoreDriver());
        Bluefield dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
        opened.push(dpu);
        PciAddress at = PciAddress.parse("08:00.0");
        if (isNvme) {
            Nvme nvme = Nvme.builder(NvmeIdentity.of("disk"))
                    .name("disk")
                    .queuePairs(2)
                    .namespace(new NamespaceOptions(storage, 512, Optional.empty()))
                    .build();
            dpu.create(0, at, SnapFunction.Protocol.NVME, nvme.function(), new NvmeBackend(nvme));
            served = () -> nvme.counters().writes();
            faults = () -> nvme.counters().faults();
        } else {
            VirtioBlk disk = VirtioBlk.builder(storage)
                    .name("disk")
                    .queues(2)
                    .queueSize(256)
                    .build();
            dpu.createVirtioBlk(0, at, disk);
            served = () -> disk.counters().writes();
            faults = () -> disk.counters().faults();
        }
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

    private record NvmeBackend(Nvme nvme) implements SnapBackend {
        @Override
        public void resize(long sizeBytes) {
            nvme.resize(1, sizeBytes);
        }

        @Override
        public void close() {
            nvme.close();
        }
    }

    /** How many writes the disk has done. */
    long writes() {
        return served.getAsLong();
    }

    /** What it has held against its driver. */
    long faults() {
        return faults.getAsLong();
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
