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
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows one function. */
@Command(
        name = "show",
        description = "Shows a function: configuration space, regions, interrupts.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  vfio show 0000:00:01.0"})
final class ShowCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Parameters(paramLabel = "ID", description = "Address (0000:00:01.0), VFIO device (vfio0) or socket.")
    private String id = "";

    @Option(names = "--pid", paramLabel = "PID", description = "Of this process, when several have such a function.")
    private long pid;

    @Option(
            names = {"-o", "--output"},
            description = "table or json (default table).")
    private Output.Format output = Output.Format.TABLE;

    @Override
    public void run() {
        List<ServerQuery.Found> matching = ServerQuery.functions().stream()
                .filter(found -> pid == 0 || pid == found.pid())
                .filter(found -> isMeant(found.function()))
                .toList();
        if (matching.isEmpty()) {
            throw new CliException(ExitCode.NOT_FOUND, "no function " + id + " in a serving process", "vfio ls");
        }
        PrintWriter out = spec.commandLine().getOut();
        if (output == Output.Format.JSON) {
            out.println(Output.json("Function", matching));
        } else {
            matching.forEach(found -> print(out, found));
        }
        out.flush();
    }

    private boolean isMeant(ServerState.Function function) {
        return id.equals(function.address())
                || ("0000:" + id).equals(function.address())
                || id.equals(function.vfioDevice())
                || (!function.socket().isEmpty()
                        && Path.of(id).toAbsolutePath().toString().equals(function.socket()));
    }

    private static void print(PrintWriter out, ServerQuery.Found found) {
        ServerState.Function f = found.function();
        out.println(f.address() + " " + f.kind() + ", " + f.description());
        out.println("  driver " + f.driver() + ", device " + f.vfioDevice() + ", pid " + found.pid());
        if (!f.socket().isEmpty()) {
            out.println("  socket " + f.socket());
        }
        config(found).forEach(line -> out.println("  " + line));
        Table regions = new Table("  REGION", "NAME", "SIZE", "ACCESS");
        for (ServerState.Region region : f.regions()) {
            String access = ((region.flags() & Vfio.VFIO_REGION_INFO_FLAG_READ) != 0 ? "r" : "-")
                    + ((region.flags() & Vfio.VFIO_REGION_INFO_FLAG_WRITE) != 0 ? "w" : "-");
            regions.row("  " + region.index(), region.name(), Sizes.format(region.sizeBytes()), access);
        }
        out.print(regions);
        Table irqs = new Table("  IRQ", "NAME", "COUNT", "FLAGS");
        for (ServerState.Irq irq : f.irqs()) {
            irqs.row("  " + irq.index(), irq.name(), Integer.toString(irq.count()), irqFlags(irq.flags()));
        }
        out.print(irqs);
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
