package org.vfio4j.cli.change;

import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Gives a function of a serving process to a driver. */
@Command(
        name = "bind",
        description =
                "Gives a function of a serving process, or an auxiliary device, to a driver, and serves it again.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio bind 0000:00:01.0",
            "  vfio bind 0000:00:01.0 --driver vfio-pci",
            "  vfio bind mlx5_core.vfio_pci.2048"
        })
public final class BindCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Option(
            names = "--driver",
            paramLabel = "NAME",
            description = "Its VFIO driver (default: the one that knows it best, see vfio modalias).")
    private String driver = "";

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        Optional<ServerQuery.FoundPart> part = choice.part("vfio bind");
        if (part.isPresent()) {
            bind(part.get());
            return;
        }
        ServerQuery.Found found = choice.one("vfio bind");
        ServerState.Function before = found.function();
        ServerQuery.Found bound = ControlClient.ask(
                found, ControlRequest.bind(before.address(), driver), output.err(), errno -> hint(errno, before));
        output.print("Function", List.of(bound), () -> {
            ServerState.Function f = bound.function();
            output.out()
                    .println(f.address() + " bound to " + f.driver()
                            + (f.vfioDevice().isEmpty() ? "" : " as " + f.vfioDevice()));
            if (!f.serving().equals(ServerState.Function.UNSERVED)) {
                output.out().println("listening on " + (f.socket().isEmpty() ? "an inherited socket" : f.socket()));
            }
        });
    }

    private void bind(ServerQuery.FoundPart part) {
        String name = part.auxiliary().name();
        ServerQuery.FoundPart bound =
                ControlClient.ask(part, ControlRequest.bind(name, driver), output.err(), errno -> hint(errno, name));
        output.print(
                "AuxiliaryDevice",
                List.of(bound),
                () -> output.out()
                        .println(name + " bound to " + bound.auxiliary().driver()));
    }

    private static String hint(int errno, String part) {
        return switch (errno) {
            case Errno.EBUSY -> "vfio unbind " + part;
            case Errno.ENODEV, Errno.EINVAL -> "vfio drivers";
            default -> "vfio show " + part;
        };
    }

    private static String hint(int errno, ServerState.Function function) {
        return switch (errno) {
            case Errno.EBUSY -> "vfio unbind " + function.address();
            case Errno.EADDRINUSE, Errno.EEXIST, Errno.ENOENT, Errno.EACCES -> "ls -l " + function.socket();
            case Errno.ENODEV, Errno.EINVAL -> "vfio modalias " + function.address() + ", or: vfio drivers";
            default -> "vfio show " + function.address();
        };
    }
}
