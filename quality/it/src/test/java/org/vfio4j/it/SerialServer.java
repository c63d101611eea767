package org.vfio4j.it;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mtty.Mtty;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Serial cards, mdevs of one parent, each served on a socket, in this process. */
final class SerialServer implements AutoCloseable {

    private final VfioRegistry vfio = new VfioRegistry();
    private final MdevBus bus = new MdevBus();
    private final Mtty mtty = new Mtty();
    private final MdevParent parent = mtty.register(bus, new VfioMdevDriver(vfio));
    private final EventLoop loop = new EventLoop();
    private final List<VfioUserServer> servers = new ArrayList<>();

    /** One more card. */
    MdevDevice serve(String type, Path socket) {
        MdevDevice device = bus.create(parent, parent.type(type), UUID.randomUUID());
        servers.add(VfioUserServer.listen(
                loop, socket, vfio.open(device.uuid().toString()), VfioUserServerOptions.DEFAULTS));
        return device;
    }

    @Override
    public void close() {
        servers.forEach(VfioUserServer::close);
        bus.unregister(parent, Duration.ofSeconds(5));
        mtty.close();
        loop.close();
    }
}
