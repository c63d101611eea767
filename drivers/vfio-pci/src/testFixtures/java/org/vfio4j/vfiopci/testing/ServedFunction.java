package org.vfio4j.vfiopci.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A device of a bus, bound to {@code vfio-pci} and served; {@link #file} is the device as a client sees it through the protocol. */
public final class ServedFunction implements AutoCloseable {

    private final MemorySegment buffer = Arena.ofAuto().allocate(64 * 1024);
    private final EventLoop loop = new EventLoop();
    private final Path directory;
    private final VfioUserServer server;
    private final VfioUserClient client;

    private ServedFunction(VfioRegistry registry, PciDevice device) {
        String name = registry.devices().stream()
                .filter(candidate -> candidate.parentName().equals(device.toString()))
                .findFirst()
                .orElseThrow()
                .name();
        try {
            directory = Files.createTempDirectory("vfio4j");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Path socket = directory.resolve("s");
        server = VfioUserServer.listen(loop, socket, registry.open(name), VfioUserServerOptions.DEFAULTS);
        client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
    }

    /** A bus with VFIO and the drivers that the class path has. */
    public static PciBus bus() {
        PciBus bus = new PciBus();
        bus.provide(VfioRegistry.class, new VfioRegistry());
        bus.loadDrivers();
        return bus;
    }

    /** Binds a device of {@link #bus} to {@code vfio-pci}. */
    public static void bind(PciDevice device) {
        device.bus().setDriverOverride(device, Optional.of("vfio-pci"));
        device.bus().bind(device, "vfio-pci");
    }

    /** Binds a device of {@link #bus}, opens and serves it. */
    public static ServedFunction of(PciDevice device) {
        bind(device);
        return new ServedFunction(device.bus().service(VfioRegistry.class), device);
    }

    public VfioDeviceFile file() {
        return client;
    }

    /** Reads through the protocol. */
    public byte[] read(int region, long offset, int count) {
        client.read(region, offset, buffer, 0, count);
        return buffer.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE);
    }

    /** Reads a little-endian number of 1 to 8 bytes through the protocol. */
    public long number(int region, long offset, int width) {
        buffer.asSlice(0, Long.BYTES).fill((byte) 0);
        client.read(region, offset, buffer, 0, width);
        return buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    /** Writes a little-endian number of 1 to 8 bytes through the protocol. */
    public void write(int region, long offset, int width, long value) {
        buffer.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
        client.write(region, offset, buffer, 0, width);
    }

    @Override
    public void close() {
        client.close();
        server.close();
        loop.close();
        try {
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
