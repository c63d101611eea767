package org.vfio4j.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** A virtio-blk function under vfio-pci-core, and a way to serve it: the device that hostile peers meet. */
final class TestDisk implements AutoCloseable {

    static final long BYTES = 1 << 20;

    private final VfioRegistry registry = new VfioRegistry();
    private final BlockBackend storage = new MemoryBackend(BYTES);
    private final VirtioBlk disk = VirtioBlk.builder(storage).queueSize(64).build();
    private final VfioDevice device =
            registry.register(new VfioPciCore("vfio-pci", disk.function()), () -> () -> {}, "0000:08:00.0");

    /** The device, open; the caller closes it. */
    LocalDeviceFile open() {
        return device.open();
    }

    @Override
    public void close() {
        registry.unregister(device, Duration.ofSeconds(10));
        disk.close();
        storage.close();
    }

    /** A disk on a socket, on an event loop of its own or of others. */
    static final class Served implements AutoCloseable {

        /** Short, so that a client that does not answer costs little. */
        static final VfioUserServerOptions OPTIONS = VfioUserServerOptions.DEFAULTS.withDmaTimeoutNs(200_000_000);

        private final TestDisk disk = new TestDisk();
        private final Path directory;
        private final Path socket;
        private final VfioUserServer server;

        Served(EventLoop loop) {
            try {
                directory = Files.createTempDirectory("vfio4j");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            socket = directory.resolve("s");
            server = VfioUserServer.listen(loop, socket, disk.open(), OPTIONS);
        }

        Path socket() {
            return socket;
        }

        RawClient client() {
            return RawClient.negotiated(socket);
        }

        @Override
        public void close() {
            server.close();
            disk.close();
            try {
                Files.deleteIfExists(directory);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
