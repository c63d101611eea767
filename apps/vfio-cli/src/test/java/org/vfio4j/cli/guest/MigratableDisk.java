package org.vfio4j.cli.guest;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciAuxiliaryDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciDriver;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** A machine in this process that serves one disk of a DPU, which can migrate. */
final class MigratableDisk implements AutoCloseable {

    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private final Path socket;

    MigratableDisk(BlockBackend storage, Path socket) {
        this.socket = socket;
        PciBus bus = new PciBus();
        VfioRegistry registry = new VfioRegistry();
        bus.provide(VfioRegistry.class, registry);
        bus.auxiliary().register(new Mlx5VfioPciAuxiliaryDriver());
        bus.register(new Mlx5VfioPciDriver());
        bus.register(new Mlx5CoreDriver());
        Bluefield dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
        opened.push(dpu);
        dpu.createVirtioBlk(
                0,
                PciAddress.parse("08:00.0"),
                VirtioBlk.builder(storage).name("disk").queueSize(256).build());
        EventLoop loop = new EventLoop();
        opened.push(loop);
        LocalDeviceFile file = registry.devices().stream()
                .filter(device -> device.parentName().equals("0000:08:00.0"))
                .findFirst()
                .orElseThrow()
                .open();
        opened.push(VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS));
    }

    String socket() {
        return socket.toString();
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
