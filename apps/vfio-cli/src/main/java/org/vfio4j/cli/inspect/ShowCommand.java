package org.vfio4j.cli.inspect;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.Inspection;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows one function, or another device. */
@Command(
        name = "show",
        description =
                "Shows a function: its place, configuration space, regions, interrupts; an auxiliary device, or an mdev.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio show 0000:00:01.0", "  vfio show mlx5_core.vfio_pci.2048"})
public final class ShowCommand implements Runnable {

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
        List<ServerQuery.FoundMdev> mdevs = choice.mdevs();
        if (!mdevs.isEmpty()) {
            output.print("MdevDevice", mdevs, () -> mdevs.forEach(mdev -> print(output.out(), mdev)));
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

    private static void print(PrintWriter out, ServerQuery.FoundMdev found) {
        ServerState.Mdev mdev = found.mdev();
        out.println(mdev.uuid() + " " + mdev.type() + ", " + mdev.description());
        out.println("  driver " + VfioMdevDriver.NAME + ", device " + mdev.vfioDevice() + ", pid " + found.pid());
        out.println("  made of " + mdev.parent());
        out.println("  socket " + mdev.socket());
        DeviceText.print(out, new Inspection(mdev.regions(), mdev.irqs(), mdev.features(), mdev.migration()), "");
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
        if (!f.physicalFunction().isEmpty()) {
            out.println("  virtual function of " + f.physicalFunction());
        }
        if (f.totalVfs() > 0) {
            out.println("  " + f.numVfs() + " of " + f.totalVfs() + " virtual functions are on");
        }
        String override = f.driverOverride().isEmpty() ? "none" : f.driverOverride();
        out.println(
                "  driver_override " + override + ", VFIO drivers that match: " + String.join(", ", f.candidates()));
        if (!f.socket().isEmpty()) {
            out.println("  socket " + f.socket() + (f.driver().isEmpty() ? ", while it has a driver" : ""));
        }
        config(found).forEach(line -> out.println("  " + line));
        if (!f.vfioDevice().isEmpty()) {
            String state = f.migrationState().isEmpty() ? "" : ", now " + f.migrationState();
            DeviceText.print(out, new Inspection(f.regions(), f.irqs(), f.features(), f.migration()), state);
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

    private static List<String> config(ServerQuery.Found found) {
        Path file = Path.of(found.sysfs(), "devices", found.function().address(), "config");
        try {
            return ConfigText.lines(Files.readAllBytes(file));
        } catch (IOException e) {
            return List.of(String.format(Locale.ROOT, "configuration space: %s cannot be read", file));
        }
    }
}
