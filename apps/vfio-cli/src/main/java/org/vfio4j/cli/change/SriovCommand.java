package org.vfio4j.cli.change;

import java.util.List;
import java.util.Locale;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.Request;
import org.vfio4j.cli.control.SriovRequest;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Turns virtual functions on and off. */
@Command(
        name = "sriov",
        description =
                "Turns virtual functions of a physical one on, or all of them off, as a write of sriov_numvfs does. Users of those"
                        + " that go are asked to let go, and waited for.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio sriov 0000:08:00.0 2", "  vfio sriov 0000:08:00.0 0 --timeout 300"})
public final class SriovCommand implements Runnable {

    private static final double MS_PER_SECOND = 1000;

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Parameters(index = "1", paramLabel = "NUMVFS", description = "How many are to be on; 0 for none.")
    private int numVfs;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "How long to wait for users (default 30, at most 3600).")
    private double timeout = 30;

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        double timeoutMs = timeout * MS_PER_SECOND;
        Limits.check("--timeout", timeout, 0, Request.MAX_TIMEOUT_MS / MS_PER_SECOND, "30");
        ServerQuery.Found found = choice.one("vfio sriov");
        ServerState.Function before = found.function();
        ServerQuery.Found now = ControlClient.ask(
                found,
                SriovRequest.of(before.address(), numVfs, (long) timeoutMs),
                output.err(),
                errno -> hint(errno, before));
        output.print(
                "Function",
                List.of(now),
                () -> output.out()
                        .println(String.format(
                                Locale.ROOT,
                                "%s has %d of %d virtual functions on",
                                before.address(),
                                now.function().numVfs(),
                                now.function().totalVfs())));
    }

    private static String hint(int errno, ServerState.Function function) {
        return switch (errno) {
            case Errno.ENOENT ->
                function.totalVfs() == 0
                        ? "virtual-functions in the file of --config, or vfio snap create --virtual-function"
                        : "its driver mlx5-vfio-pci, or vfio-pci with --vfio-pci enable_sriov";
            case Errno.ERANGE -> "vfio sriov " + function.address() + " " + function.totalVfs();
            case Errno.EBUSY ->
                function.numVfs() == 0
                        ? "end what uses it, or a longer --timeout"
                        : "vfio sriov " + function.address() + " 0, first; or a longer --timeout";
            default -> "vfio show " + function.address();
        };
    }
}
