package org.vfio4j.cli.serve;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.MdevParentKind;
import org.vfio4j.cli.device.MdevParentKinds;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Limits;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** One device of a {@code vfio serve} command line: what stands between two {@code +}. */
@Command(name = "vfio serve ... +")
public final class DeviceGroup {

    @Parameters(
            arity = "0..*",
            paramLabel = "DEVICE [KEY=VALUE...]",
            description = "What to serve, and its settings: see below.")
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

    @Option(
            names = "--emulated-by",
            paramLabel = "BDF",
            description = "Have a DPU emulate it, behind this network function of a bluefield before it.")
    private @Nullable String emulatedBy;

    public static DeviceGroup parse(List<String> arguments) {
        DeviceGroup group = new DeviceGroup();
        try {
            new CommandLine(group).parseArgs(arguments.toArray(String[]::new));
        } catch (CommandLine.ParameterException e) {
            throw CliException.usage("after +: " + e.getMessage(), "vfio serve --help");
        }
        return group;
    }

    /** Whether nothing is said of a device. */
    boolean isEmpty() {
        return words.isEmpty()
                && socketPath == null
                && fd == null
                && address == null
                && driver == null
                && emulatedBy == null;
    }

    DevicePlan plan(DeviceKinds kinds) {
        if (words.isEmpty()) {
            throw CliException.usage("which device?", ServerQuery.NOTHING_SERVED + ", or: vfio serve --config FILE");
        }
        return kinds.plan(words);
    }

    /** For a parent of mdevs: what it will be. */
    Optional<MdevParentKind.Plan> parentPlan() {
        Optional<MdevParentKind.Plan> plan = words.isEmpty() ? Optional.empty() : MdevParentKinds.plan(words);
        if (plan.isPresent() && (socketPath != null || fd != null || address != null || driver != null)) {
            throw CliException.usage(
                    words.getFirst() + " is a parent of mdevs, each with a socket of its own: it takes none, nor an"
                            + " address or a driver",
                    "vfio serve " + String.join(" ", words));
        }
        return plan;
    }

    Optional<Path> socketPath(DevicePlan plan) {
        if (plan.namesItsSockets()) {
            if (socketPath != null || fd != null) {
                throw CliException.usage(
                        words.getFirst() + " has no socket of its own", "vfio serve " + String.join(" ", words));
            }
            return Optional.empty();
        }
        return socketPath();
    }

    private Optional<Path> socketPath() {
        if (fd != null) {
            Limits.check("--fd", fd, 0, Integer.MAX_VALUE, "3");
        }
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
        return parse("--address", address);
    }

    /** The network function of a DPU that is to emulate it. */
    Optional<PciAddress> emulatedBy() {
        return parse("--emulated-by", emulatedBy);
    }

    private static Optional<PciAddress> parse(String option, @Nullable String address) {
        try {
            return Optional.ofNullable(address).map(PciAddress::parse);
        } catch (IllegalArgumentException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), option + " 0000:08:00.0");
        }
    }
}
