package org.vfio4j.i40evfiopci;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.i40evf.I40eVf;
import org.vfio4j.i40evf.NetworkPort;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A server: a machine with functions that the driver has, each at a socket. */
final class Host implements AutoCloseable {

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final EventLoop loop = new EventLoop();
    private final Path directory;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private int slots;

    Host(I40eMigration migration) {
        bus.provide(VfioRegistry.class, registry);
        bus.provide(I40eMigration.class, migration);
        bus.register(new I40eVfioPciDriver());
        try {
            directory = Files.createTempDirectory("i40e");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Serves one more function. Returns its socket. */
    Path serve(NetworkPort port, String mac) {
        return serve(I40eVf.builder(port).macAddress(mac));
    }

    Path serve(I40eVf.Builder parts) {
        slots++;
        I40eVf vf = parts.name("vf-" + slots).build();
        opened.push(vf);
        PciDevice device = bus.add(new PciAddress(0, 1, slots, 0), vf.function());
        opened.push(() -> bus.remove(device));
        bus.setDriverOverride(device, Optional.of(I40eVfioPciDriver.NAME));
        bus.bind(device, I40eVfioPciDriver.NAME);
        LocalDeviceFile file = registry.devices().getLast().open();
        Path socket = directory.resolve(slots + ".sock");
        opened.push(VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS));
        return socket;
    }

    @Override
    public void close() {
        try {
            while (!opened.isEmpty()) {
                opened.pop().close();
            }
            loop.close();
            Files.delete(directory);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
