package org.vfio4j.cli.host;

import java.io.PrintWriter;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.inspect.ConfigText;
import org.vfio4j.cli.inspect.DeviceText;
import org.vfio4j.cli.state.Inspection;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiolinux.HostPci;
import org.vfio4j.vfiolinux.LinuxVfioDevice;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows one function of the machine. */
@Command(
        name = "show",
        description =
                "Shows a function of this machine: who drives and uses it, its group, its configuration space, and,"
                        + " when it can be opened, its regions, interrupts and features. Opening it resets it.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio host show 0000:01:00.0",
            "  vfio host show 0000:03:10.0 --vf-token 2f1bbd5d-3d85-4c0f-9a5a-9a2a1d1a7c10"
        })
final class HostShowCommand implements Runnable {

    /** Configuration space without its extension: less is what the kernel shows to users other than root. */
    private static final int STANDARD_CONFIG = 256;

    @Parameters(paramLabel = "ADDR", description = "Its address, as 0000:01:00.0.")
    private String address = "";

    @Option(
            names = "--vf-token",
            paramLabel = "UUID",
            description = "The token that the user of its physical function has set, or that it gets itself.")
    private Optional<UUID> vfToken = Optional.empty();

    @Mixin
    private OutputOption output = new OutputOption();

    /**
     * All that is known of a function.
     *
     * @param config lines about its configuration space
     * @param device what it says of itself; nothing when it cannot be opened
     * @param path what was opened; empty when it cannot be
     * @param problem why it could not be opened, though nothing seemed in the way
     */
    private record Details(HostEntry function, List<String> config, Inspection device, String path, String problem) {}

    @Override
    public void run() {
        PciAddress at = HostAddress.parse(address);
        HostPci host = HostPci.ofThisMachine();
        HostEntry entry;
        try {
            entry = HostEntry.of(host, host.function(at));
        } catch (ErrnoException e) {
            throw new CliException(e, "vfio host ls");
        }
        Details details = details(host, at, entry, vfToken);
        output.print("HostFunction", List.of(details), () -> print(output.out(), details));
    }

    private static Details details(HostPci host, PciAddress at, HostEntry entry, Optional<UUID> vfToken) {
        byte[] config = host.config(at);
        if (!entry.usable()) {
            return new Details(entry, lines(config), Inspection.NOTHING, "", "");
        }
        try (LinuxVfioDevice device = open(at, vfToken)) {
            byte[] shown = config.length < STANDARD_CONFIG ? config(device) : config;
            return new Details(
                    entry, lines(shown), Inspection.of(device), device.path().toString(), "");
        } catch (ErrnoException e) {
            return new Details(entry, lines(config), Inspection.NOTHING, "", problem(at, e, vfToken));
        }
    }

    private static String problem(PciAddress at, ErrnoException failure, Optional<UUID> vfToken) {
        // Nothing else is: that the files may be opened was seen before.
        boolean needsToken = failure.errno() == Errno.EACCES && vfToken.isEmpty();
        return failure.getMessage() + (needsToken ? "; try: vfio host show " + at + " --vf-token UUID" : "");
    }

    private static LinuxVfioDevice open(PciAddress at, Optional<UUID> vfToken) {
        return vfToken.isPresent() ? LinuxVfioDevice.open(at, vfToken.get()) : LinuxVfioDevice.open(at);
    }

    private static byte[] config(VfioDeviceFile device) {
        int region = Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
        byte[] config = new byte[Math.toIntExact(device.regionInfo(region).sizeBytes())];
        device.read(region, 0, MemorySegment.ofArray(config), 0, config.length);
        return config;
    }

    private static List<String> lines(byte[] config) {
        return config.length < STANDARD_CONFIG
                ? List.of("configuration space: root sees more than the first " + config.length + " bytes")
                : ConfigText.lines(config);
    }

    private static void print(PrintWriter out, Details details) {
        HostEntry f = details.function();
        out.println(f.address() + " " + f.what() + ", " + f.id());
        String device = f.vfioDevice().isEmpty() ? "" : ", device " + f.vfioDevice();
        out.println(f.driver().isEmpty() ? "  no driver" : "  driver " + f.driver() + device);
        out.println("  driver_override " + (f.driverOverride().isEmpty() ? "none" : f.driverOverride()));
        out.println(group(f));
        out.println(f.resettable() ? "  can be reset alone" : "  cannot be reset alone");
        f.uses().forEach(use -> out.println("  in use: " + use));
        if (!f.usable()) {
            out.println("  cannot be opened: " + f.why() + (f.advice().isEmpty() ? "" : "; try: " + f.advice()));
        } else if (!details.problem().isEmpty()) {
            out.println("  cannot be opened: " + details.problem());
        } else {
            out.println("  opened by " + details.path());
        }
        details.config().forEach(line -> out.println("  " + line));
        if (!details.device().regions().isEmpty()) {
            DeviceText.print(out, details.device(), "");
        }
    }

    private static String group(HostEntry f) {
        if (f.group() < 0) {
            return "  no IOMMU group";
        }
        List<String> members = new ArrayList<>(f.groupMembers());
        return "  IOMMU group " + f.group() + (members.isEmpty() ? "" : " with " + String.join(", ", members));
    }
}
