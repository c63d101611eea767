package org.vfio4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;
import org.vfio4j.uapi.Vfio;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows one function. */
@Command(
        name = "show",
        description = "Shows a function: its place, configuration space, regions, interrupts; or an auxiliary device.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio show 0000:00:01.0", "  vfio show mlx5_core.vfio_pci.2048"})
final class ShowCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerQuery.FoundPart> parts = choice.parts();
        if (!parts.isEmpty()) {
            output.print("AuxiliaryDevice", parts, () -> parts.forEach(part -> print(output.out(), part)));
            return;
        }
        List<ServerQuery.Found> matching =
                choice.all().stream().map(this::asItIsNow).toList();
        output.print("Function", matching, () -> matching.forEach(found -> print(output.out(), found)));
    }

    // What the process wrote down does not tell how far a migration is.
    private ServerQuery.Found asItIsNow(ServerQuery.Found found) {
        ServerState.Function function = found.function();
        if (function.migration().isEmpty()) {
            return found;
        }
        try {
            ControlRequest request = ControlRequest.show(function.address());
            return ControlClient.ask(found, request, output.err(), errno -> "vfio ls");
        } catch (CliException e) {
            // It is busy, or older and does not know this request.
            return found;
        }
    }

    private static void print(PrintWriter out, ServerQuery.FoundPart part) {
        ServerState.Auxiliary auxiliary = part.auxiliary();
        out.println(auxiliary.name() + ", auxiliary device, pid " + part.pid());
        out.println("  part of " + auxiliary.parent());
        out.println(auxiliary.driver().isEmpty() ? "  no driver" : "  driver " + auxiliary.driver());
        if (!auxiliary.function().isEmpty()) {
            out.println("  about function " + auxiliary.function());
        }
    }

    private static void print(PrintWriter out, ServerQuery.Found found) {
        ServerState.Function f = found.function();
        out.println(f.address() + " " + f.kind() + ", " + f.description());
        if (f.driver().isEmpty()) {
            out.println("  no driver, pid " + found.pid());
        } else {
            String device = f.vfioDevice().isEmpty() ? "" : ", device " + f.vfioDevice();
            out.println("  driver " + f.driver() + device + ", pid " + found.pid());
        }
        if (!f.parent().isEmpty()) {
            out.println("  behind bridge " + f.parent());
        }
        if (!f.auxiliary().isEmpty()) {
            out.println("  auxiliary device " + f.auxiliary() + parent(found));
        }
        if (!f.emulatedBy().isEmpty()) {
            out.println("  emulated by " + f.emulatedBy());
        }
        String override = f.driverOverride().isEmpty() ? "none" : f.driverOverride();
        out.println(
                "  driver_override " + override + ", VFIO drivers that match: " + String.join(", ", f.candidates()));
        if (!f.socket().isEmpty()) {
            out.println("  socket " + f.socket() + (f.driver().isEmpty() ? ", while it has a driver" : ""));
        }
        config(found).forEach(line -> out.println("  " + line));
        if (!f.vfioDevice().isEmpty()) {
            device(out, f);
        }
    }

    private static String parent(ServerQuery.Found found) {
        return ServerQuery.parts().stream()
                .filter(part -> part.pid() == found.pid())
                .map(ServerQuery.FoundPart::auxiliary)
                .filter(part -> part.name().equals(found.function().auxiliary()))
                .map(part -> ", part of " + part.parent())
                .findFirst()
                .orElse("");
    }

    private static void device(PrintWriter out, ServerState.Function f) {
        Table regions = new Table("  REGION", "NAME", "SIZE", "ACCESS", "CAPABILITIES");
        for (ServerState.Region region : f.regions()) {
            regions.row(
                    "  " + region.index(),
                    region.name(),
                    Sizes.format(region.sizeBytes()),
                    access(region.flags()),
                    capabilities(region));
        }
        out.print(regions);
        Table irqs = new Table("  IRQ", "NAME", "COUNT", "FLAGS");
        for (ServerState.Irq irq : f.irqs()) {
            String flags = irqFlags(irq.flags()) + type(irq.type(), irq.subtype());
            irqs.row("  " + irq.index(), irq.name(), Integer.toString(irq.count()), flags);
        }
        out.print(irqs);
        Table features = new Table("  FEATURE", "NAME", "OPERATIONS");
        for (ServerState.Feature feature : f.features()) {
            features.row("  " + feature.index(), feature.name(), String.join(" ", feature.operations()));
        }
        out.print(features);
        if (!f.migration().isEmpty()) {
            String state = f.migrationState().isEmpty() ? "" : ", now " + f.migrationState();
            out.println("  migration: " + String.join(", ", f.migration()) + state);
        }
    }

    private static String access(int flags) {
        return ((flags & Vfio.VFIO_REGION_INFO_FLAG_READ) != 0 ? "r" : "-")
                + ((flags & Vfio.VFIO_REGION_INFO_FLAG_WRITE) != 0 ? "w" : "-")
                + ((flags & Vfio.VFIO_REGION_INFO_FLAG_MMAP) != 0 ? "m" : "-");
    }

    private static String capabilities(ServerState.Region region) {
        StringBuilder text = new StringBuilder(String.join(" ", region.capabilities()));
        text.append(type(region.type(), region.subtype()));
        for (ServerState.Area area : region.areas()) {
            text.append(String.format(Locale.ROOT, " 0x%x+0x%x", area.offset(), area.sizeBytes()));
        }
        return text.toString();
    }

    private static String type(long type, long subtype) {
        return type == 0 ? "" : String.format(Locale.ROOT, " type 0x%x:0x%x", type, subtype);
    }

    private static List<String> config(ServerQuery.Found found) {
        Path file = Path.of(found.sysfs(), "devices", found.function().address(), "config");
        try {
            return ConfigText.lines(Files.readAllBytes(file));
        } catch (IOException e) {
            return List.of(String.format(Locale.ROOT, "configuration space: %s cannot be read", file));
        }
    }

    private static String irqFlags(int flags) {
        StringJoiner names = new StringJoiner(" ");
        if ((flags & Vfio.VFIO_IRQ_INFO_EVENTFD) != 0) {
            names.add("eventfd");
        }
        if ((flags & Vfio.VFIO_IRQ_INFO_MASKABLE) != 0) {
            names.add("maskable");
        }
        if ((flags & Vfio.VFIO_IRQ_INFO_AUTOMASKED) != 0) {
            names.add("automasked");
        }
        if ((flags & Vfio.VFIO_IRQ_INFO_NORESIZE) != 0) {
            names.add("noresize");
        }
        return names.toString();
    }
}
