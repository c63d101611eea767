package org.vfio4j.cli.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.cli.host.HostAddress;
import org.vfio4j.cli.host.HostAdvice;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiolinux.HostPci;
import org.vfio4j.vfiolinux.LinuxVfioDevice;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import picocli.CommandLine.Option;

/** Where the device is that {@code vfio bench} measures: at a server's socket, or in this machine. */
final class BenchPlace {

    @Option(names = "--socket-path", paramLabel = "PATH", required = true, description = "Where the server listens.")
    private Optional<Path> socketPath = Optional.empty();

    @Option(
            names = "--host",
            paramLabel = "ADDR",
            required = true,
            description = "A function of this machine that is bound to vfio-pci, see vfio host ls.")
    private Optional<String> host = Optional.empty();

    /**
     * An open device.
     *
     * @param serverPid its server's process, 0 when it has none or it is unknown
     */
    record Opened(VfioDeviceFile file, int serverPid) {}

    /** Whether it is real, with data that somebody may want to keep. */
    boolean isHost() {
        return host.isPresent();
    }

    /** The option that says it, as it was written. */
    String words() {
        return host.map(address -> "--host " + address)
                .orElseGet(
                        () -> "--socket-path " + socketPath.map(Path::toString).orElse("PATH"));
    }

    /** As in the title of a chart. */
    String title() {
        return host.map(address -> "in this machine, " + address)
                .orElseGet(() -> "at " + socketPath.map(Path::toString).orElse(""));
    }

    /** @param options for a server */
    Opened open(VfioUserClientOptions options) {
        if (host.isPresent()) {
            return new Opened(LinuxVfioDevice.open(HostAddress.parse(host.get())), 0);
        }
        Fd socket = UnixSocket.connect(socketPath.orElseThrow());
        int serverPid;
        try {
            serverPid = UnixSocket.peerPid(socket);
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
        return new Opened(VfioUserClient.over(socket, options), serverPid);
    }

    /** What to try after a failure. */
    String hint(ErrnoException e, BenchTarget.Kind kind) {
        if (host.isPresent()) {
            return HostAdvice.open(HostPci.ofThisMachine(), HostAddress.parse(host.get()), e)
                    .orElseGet(() -> otherKind(e, kind).orElse("vfio host ls"));
        }
        Path path = socketPath.orElseThrow();
        return otherKind(e, kind).orElseGet(() -> switch (ExitCode.of(e.errno())) {
            case ExitCode.NOT_FOUND, ExitCode.UNREACHABLE ->
                Files.exists(path)
                        ? Sockets.connectHint(e.errno(), path, kind.toString())
                        : kind.example() + " " + words();
            case ExitCode.TIMEOUT -> "wait until no other client is connected to " + path;
            default -> "vfio bench --help";
        });
    }

    private Optional<String> otherKind(ErrnoException e, BenchTarget.Kind kind) {
        return e.errno() == Errno.ENODEV
                ? Optional.of("vfio bench " + kind.other() + " " + words() + ", if it is one")
                : Optional.empty();
    }
}
