package org.vfio4j.mlx5vfiopci;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bluefield.SnapBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** A machine with a DPU at 07:00.0, whose disks the driver has. */
final class Host implements AutoCloseable {

    static final PciAddress FIRST_DISK = PciAddress.parse("08:00.0");

    /** What the users of a physical function and of its virtual ones agree on. */
    static final Optional<UUID> TOKEN = Optional.of(new UUID(1, 2));

    final PciBus bus = new PciBus();
    final VfioRegistry registry = new VfioRegistry();
    final Bluefield dpu;
    private final List<VirtioBlk> disks = new ArrayList<>();
    private final List<Nvme> controllers = new ArrayList<>();
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    Host() {
        bus.provide(VfioRegistry.class, registry);
        bus.auxiliary().register(new Mlx5VfioPciAuxiliaryDriver());
        bus.register(new Mlx5VfioPciDriver());
        bus.register(new Mlx5CoreDriver());
        dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
        opened.push(dpu);
    }

    /** A disk at 08:00.0, behind 07:00.0. */
    SnapFunction addDisk(BlockBackend storage) {
        return addDisk(0, FIRST_DISK, storage);
    }

    SnapFunction addDisk(int networkFunction, PciAddress at, BlockBackend storage) {
        VirtioBlk disk = VirtioBlk.builder(storage)
                .name("disk-" + at.bus())
                .queues(2)
                .queueSize(64)
                .build();
        disks.add(disk);
        return dpu.createVirtioBlk(networkFunction, at, disk);
    }

    /** A disk at 08:00.0 that can have virtual functions, from 08:00.1 on, each with a storage of its own. */
    SnapFunction addDiskWithVirtualFunctions(BlockBackend storage, List<? extends BlockBackend> ofVirtuals) {
        List<VirtioBlk> virtuals = ofVirtuals.stream()
                .map(each -> VirtioBlk.builder(each)
                        .queues(2)
                        .queueSize(64)
                        .sriov(SriovRole.VIRTUAL)
                        .build())
                .toList();
        VirtioBlk disk = VirtioBlk.builder(storage)
                .queues(2)
                .queueSize(64)
                .sriov(SriovRole.physical(
                        virtuals.stream().map(VirtioBlk::function).toList()))
                .build();
        disks.add(disk);
        disks.addAll(virtuals);
        SnapBackend backend = new SnapBackend() {
            @Override
            public void resize(long sizeBytes) {
                disk.resize(sizeBytes);
            }

            @Override
            public void close() {
                disk.close();
                virtuals.forEach(VirtioBlk::close);
            }
        };
        return dpu.create(0, FIRST_DISK, SnapFunction.Protocol.VIRTIO_BLK, disk.function(), backend);
    }

    /** A controller with one namespace at 08:00.0, behind 07:00.0. */
    SnapFunction addNvme(BlockBackend storage) {
        Nvme nvme = Nvme.builder(NvmeIdentity.of("SNAP"))
                .name("nvme-8")
                .queuePairs(2)
                .namespace(new NamespaceOptions(storage, 512, Optional.empty()))
                .build();
        controllers.add(nvme);
        SnapBackend backend = new SnapBackend() {
            @Override
            public void resize(long sizeBytes) {
                storage.grow(sizeBytes);
                nvme.setStorage(1, storage);
            }

            @Override
            public void close() {
                nvme.close();
            }
        };
        return dpu.create(0, FIRST_DISK, SnapFunction.Protocol.NVME, nvme.function(), backend);
    }

    /** The controllers that were added, by order. */
    List<Nvme> controllers() {
        return controllers;
    }

    /** The disks that were added, by order. */
    List<VirtioBlk> disks() {
        return disks;
    }

    /** What VFIO has of the device at an address. */
    VfioDevice vfioDevice(String address) {
        return registry.devices().stream()
                .filter(device -> device.parentName().equals(address))
                .findFirst()
                .orElseThrow();
    }

    /** Opens the disk at 08:00.0, with room for memory, for as long as the host is there. */
    LocalDeviceFile open() {
        IoAddressSpace space = new IoAddressSpace(16);
        opened.push(space);
        LocalDeviceFile file = vfioDevice("0000:08:00.0").open();
        opened.push(file);
        file.attach(space);
        return file;
    }

    /** Opens a virtual function of the disk at 08:00.0, with the token that both know. */
    LocalDeviceFile openVirtual(String address) {
        vfioDevice("0000:08:00.0").open(TOKEN).close();
        IoAddressSpace space = new IoAddressSpace(16);
        opened.push(space);
        LocalDeviceFile file = vfioDevice(address).open(TOKEN);
        opened.push(file);
        file.attach(space);
        return file;
    }

    /** Serves the disk at 08:00.0. Returns its socket. */
    Path serve() {
        try {
            Path directory = Files.createTempDirectory("mlx5");
            opened.push(() -> Files.delete(directory));
            EventLoop loop = new EventLoop();
            opened.push(loop);
            LocalDeviceFile file = vfioDevice("0000:08:00.0").open();
            Path socket = directory.resolve("disk.sock");
            opened.push(VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS));
            return socket;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void delete(SnapFunction snap) {
        dpu.delete(snap, Duration.ofSeconds(10));
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
