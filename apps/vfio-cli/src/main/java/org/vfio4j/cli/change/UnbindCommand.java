package org.vfio4j.cli.change;

import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.control.Request;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Takes a function of a serving process from its driver. */
@Command(
        name = "unbind",
        description =
                "Takes a function of a serving process, or an auxiliary device, from its driver. Its user is asked to let"
                        + " go, and waited for.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio unbind 0000:00:01.0", "  vfio unbind 0000:00:01.0 --timeout 300"})
public final class UnbindCommand implements Runnable {

    private static final double MS_PER_SECOND = 1000;

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "How long to wait for its user (default 30, at most 3600).")
    private double timeout = 30;

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        double timeoutMs = timeout * MS_PER_SECOND;
        Limits.check("--timeout", timeout, 0, Request.MAX_TIMEOUT_MS / MS_PER_SECOND, "30");
        Optional<ServerQuery.FoundPart> part = choice.part("vfio unbind");
        if (part.isPresent()) {
            unbind(part.get(), (long) timeoutMs);
            return;
        }
        ServerQuery.Found found = choice.one("vfio unbind");
        ServerState.Function before = found.function();
        ServerQuery.Found free = ControlClient.ask(
                found,
                ControlRequest.unbind(before.address(), (long) timeoutMs),
                output.err(),
                errno -> hint(errno, before));
        output.print(
                "Function",
                List.of(free),
                () -> output.out().println(before.address() + " unbound from " + before.driver()));
    }

    private void unbind(ServerQuery.FoundPart part, long timeoutMs) {
        ServerState.Auxiliary before = part.auxiliary();
        ServerQuery.FoundPart free = ControlClient.ask(
                part,
                ControlRequest.unbind(before.name(), timeoutMs),
                output.err(),
                errno -> errno == Errno.EBUSY ? "a longer --timeout" : "vfio show " + before.name());
        output.print(
                "AuxiliaryDevice",
                List.of(free),
                () -> output.out().println(before.name() + " unbound from " + before.driver()));
    }

    private static String hint(int errno, ServerState.Function function) {
        return switch (errno) {
            case Errno.EBUSY -> "end what uses it, such as its virtual machine, or a longer --timeout";
            case Errno.ENODEV -> "vfio bind " + function.address();
            default -> "vfio show " + function.address();
        };
    }
}
