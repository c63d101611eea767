package org.vfio4j.cli.inspect;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.DriverAlias;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Tells which drivers can give a device to users of VFIO. */
@Command(
        name = "modalias",
        description = "Shows a function's alias and the VFIO drivers that match it, the best first.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio modalias 0000:00:01.0",
            "  vfio modalias pci:v000015B3d0000101Esv000015B3sd00000058bc02sc00i00"
        })
public final class ModaliasCommand implements Runnable {

    private static final Path HOST = Path.of("/sys/bus/pci");

    @Parameters(paramLabel = "ID", description = "An address (0000:00:01.0), served or of this machine, or an alias.")
    private String id = "";

    @Mixin
    private OutputOption output = new OutputOption();

    /**
     * A function as it is printed.
     *
     * @param id as it was asked for
     * @param where whose it is
     * @param modalias as {@code pci:v...}
     * @param drivers that match, the best first
     */
    private record Answer(String id, String where, String modalias, List<Match> drivers) {}

    private record Match(String driver, String alias, int wildcards) {}

    @Override
    public void run() {
        PciBus bus = Machine.driversOnly();
        List<Answer> answers = new ArrayList<>();
        if (id.startsWith("pci:")) {
            answers.add(answer(bus, "given", id));
        } else {
            PciAddress address = address();
            for (ServerState server : ServerDirectory.servers()) {
                modalias(Path.of(server.sysfs()), address)
                        .ifPresent(alias -> answers.add(answer(bus, "served by " + server.pid(), alias)));
            }
            modalias(HOST, address).ifPresent(alias -> answers.add(answer(bus, "this machine", alias)));
        }
        if (answers.isEmpty()) {
            throw new CliException(
                    ExitCode.NOT_FOUND, "no function " + id + " is served here or part of this machine", "vfio ls");
        }
        output.print("Modalias", answers, () -> answers.forEach(answer -> print(output.out(), answer)));
    }

    private PciAddress address() {
        try {
            return PciAddress.parse(id.matches("[0-9a-fA-F]{2}:.*") ? "0000:" + id : id);
        } catch (IllegalArgumentException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "vfio modalias 0000:00:01.0");
        }
    }

    private static Optional<String> modalias(Path sysfs, PciAddress address) {
        try {
            return Optional.of(Files.readString(sysfs.resolve("devices/" + address + "/modalias"))
                    .strip());
        } catch (IOException e) {
            // It has no such function.
            return Optional.empty();
        }
    }

    private Answer answer(PciBus bus, String where, String modalias) {
        List<DriverAlias> found = bus.vfioDrivers(modalias);
        return new Answer(
                id,
                where,
                modalias,
                found.stream()
                        .map(alias -> new Match(alias.driver(), alias.pattern(), alias.wildcards()))
                        .toList());
    }

    private static void print(PrintWriter out, Answer answer) {
        out.println(answer.modalias() + " (" + answer.where() + ")");
        if (answer.drivers().isEmpty()) {
            out.println("  no VFIO driver matches");
            return;
        }
        Table table = new Table("  DRIVER", "WILDCARDS", "ALIAS");
        answer.drivers()
                .forEach(match -> table.row("  " + match.driver(), Integer.toString(match.wildcards()), match.alias()));
        out.print(table);
    }
}
