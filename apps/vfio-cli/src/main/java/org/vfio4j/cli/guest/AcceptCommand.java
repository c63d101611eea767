package org.vfio4j.cli.guest;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.vfio4j.cli.process.StopSignal;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.vmm.DiskGuest;
import org.vfio4j.userspace.vmm.GuestDevice;
import org.vfio4j.userspace.vmm.MigrationChannel;
import org.vfio4j.userspace.vmm.MigrationDestination;
import org.vfio4j.userspace.vmm.PeerFailure;
import org.vfio4j.userspace.vmm.TargetDisk;
import org.vfio4j.userspace.vmm.VirtualMachine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Waits for a guest, and runs it. */
@Command(
        name = "accept",
        description =
                "Waits for a guest that vfio migrate sends, and runs it on a served disk to its end. An attempt that fails"
                        + " leaves nothing, and it waits for the next.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio migrate accept --listen tcp:192.0.2.2:7000 --socket-path /tmp/disk.sock"})
final class AcceptCommand implements Callable<Integer> {

    private static final int BACKLOG = 4;

    @Option(names = "--listen", paramLabel = "tcp:HOST:PORT", required = true, description = "Where guests come.")
    private String listen = "";

    @Option(names = "--socket-path", paramLabel = "PATH", required = true, description = "Where its disk is served.")
    @SuppressWarnings("NullAway.Init") // by picocli
    private Path socketPath;

    @Option(
            names = "--max-memory",
            paramLabel = "SIZE",
            description = "The most memory that a guest may have (default 16G).")
    private String maxMemory = "16G";

    @Option(
            names = "--storage",
            paramLabel = "HOW",
            description = "shared: the guest's storage is here already; copy: it comes along and overwrites the disk"
                    + " (default shared).")
    private String storage = GuestRequest.SHARED;

    @Option(names = "--seconds", paramLabel = "N", description = "How long it runs here (default until a signal).")
    private double seconds;

    @Mixin
    private TlsOption tls = new TlsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public Integer call() throws Exception {
        TcpAddress address = TcpAddress.parse("--listen", listen);
        long maxBytes = Sizes.parse("--max-memory", maxMemory, "--max-memory 16G");
        MigrateCommand.checkedStorage(storage);
        Sockets.checkThere(socketPath);
        MigrationTls chosen = tls.tls();
        StopSignal stop = StopSignal.install();
        try (ServerDirectory directory = ServerDirectory.create()) {
            Optional<VirtualMachine> machine;
            try (ServerSocketChannel listening = listenAt(address);
                    ServedStorage disks = storage()) {
                Thread.ofPlatform().daemon().name("vfio-accept-stop").start(() -> closeAtSignal(stop, listening));
                int port = ((InetSocketAddress) listening.getLocalAddress()).getPort();
                output.err().println("waiting for a guest at " + new TcpAddress(address.host(), port));
                String socket = socketPath.toAbsolutePath().toString();
                Thread.ofPlatform()
                        .daemon()
                        .name("vfio-accept-rehearsal")
                        .start(() -> RehearsalRequest.perform(socket));
                machine = takeIn(listening, chosen, address, maxBytes, disks.targets());
            }
            if (machine.isPresent()) {
                output.err()
                        .println("a guest runs on " + socketPath + ", in process "
                                + ProcessHandle.current().pid());
                new GuestRun(output, stop).run(machine.get(), socketPath, directory, seconds);
            }
            return ExitCode.OK;
        }
    }

    private static ServerSocketChannel listenAt(TcpAddress address) throws IOException {
        ServerSocketChannel listening = ServerSocketChannel.open();
        try {
            return listening.bind(address.resolved(), BACKLOG);
        } catch (IOException | RuntimeException e) {
            listening.close();
            throw new CliException(ExitCode.BUSY, "listen at " + address + ": " + e.getMessage(), "another --listen");
        }
    }

    private ServedStorage storage() {
        if (storage.equals(GuestRequest.SHARED)) {
            return ServedStorage.shared();
        }
        try {
            return ServedStorage.write(socketPath);
        } catch (ErrnoException e) {
            throw new CliException(e, "vfio ls: a disk in a file or in memory of its own, which no other server has");
        }
    }

    /** The first guest that comes whole; empty when a signal ends the waiting. */
    private Optional<VirtualMachine> takeIn(
            ServerSocketChannel listening,
            MigrationTls chosen,
            TcpAddress address,
            long maxBytes,
            List<TargetDisk> disks)
            throws IOException {
        while (true) {
            SocketChannel peer;
            try {
                peer = listening.accept();
            } catch (ClosedChannelException e) {
                return Optional.empty();
            }
            // Nobody else is let in while one moves, and the device is a fresh one for each attempt.
            GuestDevice device = GuestCommand.device(socketPath);
            try (SocketChannel connection = peer;
                    MigrationChannel channel = chosen.accept(connection, address)) {
                return Optional.of(
                        new MigrationDestination(device, channel, DiskGuest.loader(device), maxBytes, disks).run());
            } catch (ErrnoException | PeerFailure | IndexOutOfBoundsException e) {
                device.close();
                output.err().println("vfio: accept: no guest has come: " + e.getMessage());
            }
        }
    }

    private static void closeAtSignal(StopSignal stop, ServerSocketChannel listening) {
        try {
            stop.await();
            listening.close();
        } catch (InterruptedException | IOException e) {
            System.getLogger(AcceptCommand.class.getName())
                    .log(System.Logger.Level.DEBUG, "end of waiting: {0}", e.toString());
        }
    }
}
