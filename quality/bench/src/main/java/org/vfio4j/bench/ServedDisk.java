package org.vfio4j.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopci.VfioPciDriver;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** A disk in memory with everything between it and a client, in this process. */
final class ServedDisk implements AutoCloseable {

    private static final long BYTES = 256L << 20;

    private final MemoryBackend storage = new MemoryBackend(BYTES);
    private final VirtioBlk function = VirtioBlk.builder(storage).build();
    private final LocalDeviceFile file;
    private final Path socket;
    private final EventLoop loop;
    private final VfioUserServer server;

    /** At a place of its own. */
    ServedDisk() {
        this(temporary(), new EventLoop());
    }

    /** @param loop serves it, and ends with it */
    ServedDisk(Path socket, EventLoop loop) {
        this.socket = socket;
        this.loop = loop;
        VfioRegistry registry = new VfioRegistry();
        PciBus bus = new PciBus();
        bus.provide(VfioRegistry.class, registry);
        bus.loadDrivers();
        PciDevice device = bus.add(new PciAddress(0, 0, 1, 0), function.function());
        bus.setDriverOverride(device, Optional.of(VfioPciDriver.NAME));
        bus.bind(device, VfioPciDriver.NAME);
        file = registry.devices().get(0).open();
        server = VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS);
    }

    /** The device without a socket in between; not while a client is connected. */
    LocalDeviceFile file() {
        return file;
    }

    VfioUserClient connect(VfioUserClientOptions options) {
        return VfioUserClient.connect(socket, options);
    }

    @Override
    public void close() {
        server.close();
        loop.close();
        function.close();
        storage.close();
    }

    Path socket() {
        return socket;
    }

    private static Path temporary() {
        try {
            Path directory = Files.createTempDirectory("vfio4j-bench");
            directory.toFile().deleteOnExit();
            return directory.resolve("disk.sock");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
