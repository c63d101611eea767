package org.vfio4j.it;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.i40evf.I40eVf;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.i40evf.VfStatistics;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Network interfaces on one link, each served on a socket, in this process. */
final class NicServer implements AutoCloseable {

    private final VfioRegistry vfio = new VfioRegistry();
    private final PciBus bus = new PciBus();
    private final NetworkLink link = new NetworkLink();
    private final EventLoop loop = new EventLoop();
    private final List<I40eVf> functions = new ArrayList<>();
    private final List<PciDevice> devices = new ArrayList<>();
    private final List<VfioUserServer> servers = new ArrayList<>();

    NicServer() {
        bus.provide(VfioRegistry.class, vfio);
        bus.loadDrivers();
    }

    /** One more function, numbered from 1: its address ends with its number. */
    NicServer serve(Path socket) {
        int number = functions.size() + 1;
        I40eVf function = I40eVf.builder(link.addPort())
                .name("nic-" + number)
                .macAddress("02:00:00:00:00:0" + number)
                .build();
        functions.add(function);
        PciDevice device = bus.add(PciAddress.parse("0000:00:0" + number + ".0"), function.function());
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        bus.bind(device, "vfio-pci");
        devices.add(device);
        LocalDeviceFile open = vfio.devices().getLast().open();
        servers.add(VfioUserServer.listen(loop, socket, open, VfioUserServerOptions.DEFAULTS));
        return this;
    }

    VfStatistics statistics(int number) {
        return functions.get(number - 1).statistics();
    }

    @Override
    public void close() {
        servers.forEach(VfioUserServer::close);
        devices.forEach(bus::remove);
        functions.forEach(I40eVf::close);
        loop.close();
    }
}
