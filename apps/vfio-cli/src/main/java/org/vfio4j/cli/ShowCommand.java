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
        description = "Shows a function: configuration space, regions, interrupts.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  vfio show 0000:00:01.0"})
final class ShowCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<ServerQuery.Found> matching = choice.all();
        output.print("Function", matching, () -> matching.forEach(found -> print(output.out(), found)));
    }

    private static void print(PrintWriter out, ServerQuery.Found found) {
        ServerState.Function f = found.function();
        out.println(f.address() + " " + f.kind() + ", " + f.description());
        if (f.driver().isEmpty()) {
            out.println("  no driver, pid " + found.pid());
        } else {
            out.println("  driver " + f.driver() + ", device " + f.vfioDevice() + ", pid " + found.pid());
        }
        String override = f.driverOverride().isEmpty() ? "none" : f.driverOverride();
        out.println(
                "  driver_override " + override + ", VFIO drivers that match: " + String.join(", ", f.candidates()));
        if (!f.socket().isEmpty()) {
            out.println("  socket " + f.socket() + (f.driver().isEmpty() ? ", while it has a driver" : ""));
        }
        config(found).forEach(line -> out.println("  " + line));
        if (!f.driver().isEmpty()) {
            device(out, f);
        }
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
            out.println("  migration: " + String.join(", ", f.migration()));
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
