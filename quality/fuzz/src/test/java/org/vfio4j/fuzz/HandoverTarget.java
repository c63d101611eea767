package org.vfio4j.fuzz;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * What a server writes down for the one that takes over from it: an input is such a record, and the descriptors are always those of
 * a server with a client that has memory and interrupts. A record that is refused must leave nothing of it behind, and one that is
 * taken is given up again.
 */
final class HandoverTarget implements FuzzTarget {

    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final int MEMORY_BYTES = 0x10000;

    private final Path directory = temporary();
    private final EventLoop loop = new EventLoop();
    private final TestDisk disk = new TestDisk();
    private final TestDisk other = new TestDisk();
    private final VfioUserServer server =
            VfioUserServer.listen(loop, directory.resolve("s"), disk.open(), VfioUserServerOptions.DEFAULTS);
    private final ServerHandover alone;
    private final RawClient client;
    private final ServerHandover handover;

    HandoverTarget() {
        alone = server.handOver(LIMIT);
        server.goOn();
        client = RawClient.negotiated(directory.resolve("s"));
        try (Fd memory = MemFd.create("guest", MEMORY_BYTES);
                Fd event = EventFd.create()) {
            call(Wire.map(Wire.READ_WRITE, 0, 0x10000, 0x8000), memory);
            call(Wire.map(1, 0x8000, 0x18000, 0x8000), memory);
            call(Wire.map(Wire.READ_WRITE, 0, 0x100000, 0x10000));
            call(
                    Wire.setIrqs(
                            VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 2),
                    event,
                    event);
            call(Wire.write(Wire.CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
        }
        handover = server.handOver(LIMIT);
    }

    @Override
    public List<byte[]> corpus() {
        return List.of(handover.record());
    }

    @Override
    public long run(byte[] input) {
        return refusal(input, handover).replaceAll("[^a-zA-Z]", "").hashCode();
    }

    @Override
    public void checkWorks() {
        String refusal = refusal(handover.record(), handover) + refusal(alone.record(), alone);
        if (!refusal.isEmpty()) {
            throw new AssertionError("what the server wrote is refused: " + refusal);
        }
    }

    /** Why a record is refused, or nothing. */
    private String refusal(byte[] record, ServerHandover from) {
        LocalDeviceFile file = other.open();
        ServerHandover given =
                new ServerHandover(record, from.fds().stream().map(Fd::dup).toList());
        try {
            VfioUserServer.takeOver(loop, given, file, VfioUserServerOptions.DEFAULTS)
                    .close();
            return "";
        } catch (ErrnoException e) {
            file.close();
            if (given.fds().stream().anyMatch(Fd::isOpen)) {
                throw new AssertionError("refused, and descriptors are open: " + e.getMessage());
            }
            return "" + e.getMessage();
        }
    }

    @Override
    public void close() {
        handover.close();
        alone.close();
        server.goOn();
        call(Wire.info());
        client.close();
        server.close();
        loop.close();
        disk.close();
        other.close();
        try {
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void call(RawMessage message, Fd... fds) {
        RawMessage reply = client.call(message, fds);
        if (reply.isError()) {
            throw new AssertionError("the client is refused: " + reply);
        }
    }

    private static Path temporary() {
        try {
            return Files.createTempDirectory("vfio4j");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
