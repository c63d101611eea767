package org.vfio4j.cli.change;

import java.util.List;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.Request;
import org.vfio4j.cli.control.SnapRequest;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Ends a function that a DPU emulates. */
@Command(
        name = "delete",
        description =
                "Ends a function that a DPU emulates, with its virtual ones. Their users are asked to let go, and waited for.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio snap delete 0000:08:00.0",
            "  vfio snap delete mlx5_core.vfio_pci.2048 --timeout 300"
        })
final class SnapDeleteCommand implements Runnable {

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
        ServerQuery.Found found = SnapChoice.one(choice, "vfio snap delete");
        String address = found.function().address();
        String physical = found.function().physicalFunction();
        ServerQuery.Found was = ControlClient.ask(
                found,
                SnapRequest.delete(address, (long) timeoutMs),
                output.err(),
                errno -> hint(errno, address, physical));
        output.print("Function", List.of(was), () -> output.out().println(address + " deleted"));
    }

    private static String hint(int errno, String address, String physical) {
        if (errno == Errno.EBUSY) {
            return "end what uses it, such as its virtual machine, or a longer --timeout";
        }
        return physical.isEmpty() ? "vfio show " + address : "vfio sriov " + physical + " 0";
    }
}
