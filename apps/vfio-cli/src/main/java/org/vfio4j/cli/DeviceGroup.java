package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciAddress;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** One device of a {@code vfio serve} command line: what stands between two {@code +}. */
@Command(name = "vfio serve ... +")
final class DeviceGroup {

    private static final String KINDS = "virtio-blk";

    @Parameters(
            arity = "1..*",
            paramLabel = "DEVICE [KEY=VALUE...]",
            description = {
                "virtio-blk with one of",
                "  file=PATH     an image or a block device, as it is",
                "  memory=SIZE   memory of this process, lost at its end",
                "  null=SIZE     nothing: to measure the rest",
                "and any of",
                "  readonly          refuse writes",
                "  serial=TEXT       up to 20 characters",
                "  queues=N          1 to 256 (default 1)",
                "  queue-size=N      a power of two, 4 to 1024 (default 256)",
                "  poll=WHEN         adaptive, always or off (default adaptive)",
                "  io=HOW            auto, uring or sync, for files (default auto)"
            })
    private List<String> words = new ArrayList<>();

    @Option(names = "--socket-path", paramLabel = "PATH", description = "Listen on this socket.")
    private @Nullable Path socketPath;

    @Option(names = "--fd", paramLabel = "N", description = "Serve on an inherited socket that listens already.")
    private @Nullable Integer fd;

    @Option(
            names = "--address",
            paramLabel = "BDF",
            description = "Its place on the bus (default: the first free slot).")
    private @Nullable String address;

    @Option(
            names = "--driver",
            paramLabel = "NAME",
            description = "Its VFIO driver (default: the one that knows it best, see vfio modalias).")
    private @Nullable String driver;

    static DeviceGroup parse(List<String> arguments) {
        DeviceGroup group = new DeviceGroup();
        try {
            new CommandLine(group).parseArgs(arguments.toArray(String[]::new));
        } catch (CommandLine.ParameterException e) {
            throw CliException.usage("after +: " + e.getMessage(), "vfio serve --help");
        }
        return group;
    }

    DiskSettings settings() {
        String kind = words.getFirst();
        if (!kind.equals(KINDS)) {
            throw CliException.usage("unknown device '" + kind + "': there is " + KINDS, KINDS + " memory=512M");
        }
        return DiskSettings.parse(words.subList(1, words.size()));
    }

    Optional<Path> socketPath() {
        if ((socketPath == null) == (fd == null)) {
            throw CliException.usage(
                    "a device needs a socket: --socket-path PATH or --fd N",
                    "vfio serve " + String.join(" ", words) + " --socket-path /tmp/disk.sock");
        }
        return Optional.ofNullable(socketPath);
    }

    int fd() {
        return fd == null ? -1 : fd;
    }

    Optional<String> driver() {
        return Optional.ofNullable(driver);
    }

    Optional<PciAddress> address() {
        try {
            return Optional.ofNullable(address).map(PciAddress::parse);
        } catch (IllegalArgumentException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "--address 0000:08:00.0");
        }
    }
}
