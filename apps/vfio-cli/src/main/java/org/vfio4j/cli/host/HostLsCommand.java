package org.vfio4j.cli.host;

import java.io.PrintWriter;
import java.util.List;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import org.vfio4j.vfiolinux.HostObstacle.Kind;
import org.vfio4j.vfiolinux.HostPci;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists the machine's functions. */
@Command(
        name = "ls",
        description = "Lists this machine's PCI functions: what they are, who drives them, and whether they can be used"
                + " from user space, or what to do so that they can.",
        mixinStandardHelpOptions = true)
final class HostLsCommand implements Runnable {

    private static final String NOTHING = "-";

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        HostPci host = HostPci.ofThisMachine();
        List<HostEntry> entries = entries(host);
        output.print("HostFunction", entries, () -> print(output.out(), output.err(), entries));
    }

    static List<HostEntry> entries(HostPci host) {
        return host.functions().stream()
                .map(function -> HostEntry.of(host, function))
                .toList();
    }

    static void print(PrintWriter out, PrintWriter err, List<HostEntry> entries) {
        if (entries.isEmpty()) {
            err.println("vfio: this machine shows no PCI functions: there are none in /sys/bus/pci/devices");
            err.println("try: vfio ls, for those that are served");
            return;
        }
        Table table = new Table("FUNCTION", "ID", "WHAT", "DRIVER", "GROUP", "USABLE", "TRY");
        for (HostEntry entry : entries) {
            table.row(
                    entry.address(),
                    entry.id(),
                    entry.what(),
                    entry.driver().isEmpty() ? NOTHING : entry.driver(),
                    entry.group() < 0 ? NOTHING : Integer.toString(entry.group()),
                    usable(entry),
                    advice(entry));
        }
        out.print(table);
        entries.stream()
                .filter(entry -> entry.stoppedBy(Kind.NO_IOMMU))
                .findFirst()
                .ifPresent(entry -> err.println("note: without an IOMMU no function can be used: " + entry.advice()));
    }

    private static String usable(HostEntry entry) {
        if (entry.usable()) {
            return "yes";
        }
        if (entry.stoppedBy(Kind.NO_IOMMU)) {
            return "no, no IOMMU";
        }
        if (isInUse(entry)) {
            return "no, " + entry.uses().getFirst() + (entry.uses().size() > 1 ? ", and more" : "");
        }
        return "no, " + entry.why();
    }

    private static String advice(HostEntry entry) {
        if (isInUse(entry)) {
            return "vfio host show " + entry.address();
        }
        // Of what is the same for all the line below the table tells.
        return entry.advice().isEmpty() || entry.stoppedBy(Kind.NO_IOMMU) ? NOTHING : entry.advice();
    }

    private static boolean isInUse(HostEntry entry) {
        return entry.stoppedBy(Kind.DRIVER) && !entry.uses().isEmpty();
    }
}
