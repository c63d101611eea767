package org.vfio4j.cli.inspect;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.StringJoiner;
import org.vfio4j.cli.state.Inspection;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.cli.text.Table;
import org.vfio4j.uapi.Vfio;

/** What a VFIO device says about itself, as tables for people. */
public final class DeviceText {

    private DeviceText() {}

    /**
     * Prints it.
     *
     * @param state what to add to a line about migration
     */
    public static void print(PrintWriter out, Inspection device, String state) {
        Table regions = new Table("  REGION", "NAME", "SIZE", "ACCESS", "CAPABILITIES");
        for (ServerState.Region region : device.regions()) {
            regions.row(
                    "  " + region.index(),
                    region.name(),
                    Sizes.format(region.sizeBytes()),
                    access(region.flags()),
                    capabilities(region));
        }
        out.print(regions);
        Table irqs = new Table("  IRQ", "NAME", "COUNT", "FLAGS");
        for (ServerState.Irq irq : device.irqs()) {
            String flags = irqFlags(irq.flags()) + type(irq.type(), irq.subtype());
            irqs.row("  " + irq.index(), irq.name(), Integer.toString(irq.count()), flags);
        }
        out.print(irqs);
        Table features = new Table("  FEATURE", "NAME", "OPERATIONS");
        for (ServerState.Feature feature : device.features()) {
            features.row("  " + feature.index(), feature.name(), String.join(" ", feature.operations()));
        }
        out.print(features);
        if (!device.migration().isEmpty()) {
            out.println("  migration: " + String.join(", ", device.migration()) + state);
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
