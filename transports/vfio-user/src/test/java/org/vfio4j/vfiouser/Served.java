package org.vfio4j.vfiouser;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioRegistry;

/** A {@link FakeDevice} served on a socket of its own: what most tests start from. */
final class Served implements AutoCloseable {

    final FakeDevice device;
    final EventLoop loop;
    final Path directory;
    final Path socket;
    final VfioUserServer server;

    Served() {
        this(VfioUserServerOptions.DEFAULTS);
    }

    Served(VfioUserServerOptions options) {
        this(new EventLoop(), options);
    }

    Served(FakeDevice device) {
        this(new EventLoop(), device, VfioUserServerOptions.DEFAULTS);
    }

    /** @param loop closed with the rest */
    Served(EventLoop loop, VfioUserServerOptions options) {
        this(loop, new FakeDevice(), options);
    }

    private Served(EventLoop loop, FakeDevice device, VfioUserServerOptions options) {
        this.loop = loop;
        this.device = device;
        try {
            directory = Files.createTempDirectory("vfio4j");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        socket = directory.resolve("s");
        server = serve(loop, device, socket, options);
    }

    static VfioUserServer serve(EventLoop loop, FakeDevice device, Path socket, VfioUserServerOptions options) {
        VfioRegistry registry = new VfioRegistry();
        registry.register(device, () -> () -> {}, "0000:08:00.0");
        return VfioUserServer.listen(loop, socket, registry.open("vfio0"), options);
    }

    RawClient client() {
        return RawClient.negotiated(socket);
    }

    VfioUserClient driver() {
        return VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
    }

    IoAddressSpace space() {
        return device.space.orElseThrow();
    }

    /** The errno with which the server refuses a message; 0 when it does not. */
    int errnoOf(RawMessage message) {
        try (RawClient client = client()) {
            return errnoOf(client, message);
        }
    }

    static int errnoOf(RawClient client, RawMessage message) {
        RawMessage reply = client.call(message);
        if (reply.id() != message.id() || reply.command() != message.command()) {
            throw new AssertionError(message + " answered by " + reply);
        }
        if (!reply.isError()) {
            return 0;
        }
        if (reply.size() != RawMessage.HEADER_SIZE) {
            throw new AssertionError("an error reply has no payload: " + reply);
        }
        return reply.error();
    }

    @Override
    public void close() {
        try {
            server.close();
            loop.close();
            Files.deleteIfExists(directory);
        } catch (IOException | ErrnoException e) {
            throw new AssertionError(e);
        }
    }
}
