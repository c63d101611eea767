package org.vfio4j.cli.change;

import java.util.List;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.TuneRequest;
import org.vfio4j.cli.device.DeviceTuning;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Sizes;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Changes how much a disk of a serving process does in a second. */
@Command(
        name = "limit",
        description = "Limits what a disk of a serving process does in a second, from now on.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio limit 0000:00:01.0 --iops 5000 --bandwidth 200M",
            "  vfio limit 0000:00:01.0 --iops 0"
        })
public final class LimitCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Option(
            names = "--iops",
            paramLabel = "N",
            description = "Requests in a second, 0 for no limit (default: as it is).")
    private String iops = "";

    @Option(
            names = "--bandwidth",
            paramLabel = "SIZE",
            description = "Bytes in a second, 0 for no limit (default: as it is).")
    private String bandwidth = "";

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        if (iops.isEmpty() && bandwidth.isEmpty()) {
            throw CliException.usage("neither --iops nor --bandwidth", "--iops 5000");
        }
        long requests =
                iops.isEmpty() ? DeviceTuning.UNCHANGED : new Setting("--iops", iops).number(0, Integer.MAX_VALUE);
        long bytes = bandwidth.isEmpty()
                ? DeviceTuning.UNCHANGED
                : Sizes.parse("--bandwidth", bandwidth, "--bandwidth 200M");
        ServerQuery.Found found = choice.one("vfio limit");
        String address = found.function().address();
        ServerQuery.Found limited = ControlClient.ask(
                found, TuneRequest.limit(address, requests, bytes), output.err(), errno -> "vfio show " + address);
        output.print(
                "Function",
                List.of(limited),
                () -> output.out().println(address + ": " + limited.function().description()));
    }
}
