package org.vfio4j.it;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeCounters;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** An NVMe controller with namespaces of 512-byte blocks, served on a socket, in this process. */
final class NvmeServer implements AutoCloseable {

    private final VfioRegistry vfio = new VfioRegistry();
    private final PciBus bus = new PciBus();
    private final EventLoop loop = new EventLoop();
    private final List<? extends BlockBackend> storage;
    private final Nvme controller;
    private final PciDevice device;
    private final VfioUserServer server;

    /** @param storage of namespaces 1 and up, which is closed with the server */
    NvmeServer(Path socket, String serial, List<? extends BlockBackend> storage) {
        this.storage = storage;
        bus.provide(VfioRegistry.class, vfio);
        bus.loadDrivers();
        controller = Nvme.builder(
                        NvmeIdentity.of(serial),
                        storage.stream()
                                .map(backend -> new NamespaceOptions(backend, 512, Optional.empty()))
                                .toList())
                .build();
        device = bus.add(PciAddress.parse("0000:00:01.0"), controller.function());
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        bus.bind(device, "vfio-pci");
        server = VfioUserServer.listen(
                loop, socket, vfio.devices().getLast().open(), VfioUserServerOptions.DEFAULTS);
    }

    NvmeCounters counters() {
        return controller.counters();
    }

    @Override
    public void close() {
        server.close();
        bus.remove(device);
        controller.close();
        storage.forEach(BlockBackend::close);
        loop.close();
    }
}
