package org.vfio4j.cli;

import java.util.List;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Gives a function of a serving process to a driver. */
@Command(
        name = "bind",
        description = "Gives a function of a serving process to a VFIO driver, and serves it again.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio bind 0000:00:01.0", "  vfio bind 0000:00:01.0 --driver vfio-pci"})
final class BindCommand implements Runnable {

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
        ServerQuery.Found found = choice.one("vfio bind");
        ServerState.Function before = found.function();
        ServerQuery.Found bound = ControlClient.ask(
                found, ControlRequest.bind(before.address(), driver), output.err(), errno -> hint(errno, before));
        output.print("Function", List.of(bound), () -> {
            ServerState.Function f = bound.function();
            output.out().println(f.address() + " bound to " + f.driver() + " as " + f.vfioDevice());
            output.out().println("listening on " + (f.socket().isEmpty() ? "an inherited socket" : f.socket()));
        });
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
