package org.vfio4j.cli.mdevctl;

import java.util.List;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.control.Request;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.state.ServerOption;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Takes an mdev away; what is defined stays defined. */
@Command(
        name = "stop",
        description = "Takes an mdev away. Its user is asked to let go, and waited for. What is defined stays defined.",
        mixinStandardHelpOptions = true)
final class MdevStopCommand implements Runnable {

    private static final double MS_PER_SECOND = 1000;

    @Mixin
    private MdevChoice choice = new MdevChoice();

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "How long to wait for its user (default 30, at most 3600).")
    private double timeout = 30;

    @Mixin
    private ServerOption server = new ServerOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        double timeoutMs = timeout * MS_PER_SECOND;
        Limits.check("--timeout", timeout, 0, Request.MAX_TIMEOUT_MS / MS_PER_SECOND, "30");
        String uuid = choice.needUuid().toString();
        MdevClient client = new MdevClient(output.err());
        MdevState mdev = client.active().stream()
                .filter(active -> choice.matches(active.uuid(), active.parent()) && server.isMeant(active.pid()))
                .findFirst()
                .orElseThrow(() ->
                        new CliException(ExitCode.NOT_FOUND, "no serving process has mdev " + uuid, "vfio mdev list"));
        MdevState stopped = client.stop(mdev, (long) timeoutMs);
        output.print(MdevControl.MDEV, List.of(stopped), () -> output.out().println(stopped.uuid() + " stopped"));
    }
}
