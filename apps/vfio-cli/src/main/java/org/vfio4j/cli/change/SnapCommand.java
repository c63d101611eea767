package org.vfio4j.cli.change;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** What a DPU emulates. */
@Command(
        name = "snap",
        description = "Lists, creates, resizes and deletes the functions that a DPU emulates.",
        mixinStandardHelpOptions = true,
        subcommands = {SnapListCommand.class, SnapCreateCommand.class, SnapResizeCommand.class, SnapDeleteCommand.class
        },
        footer = {
            "",
            "Examples:",
            "  vfio snap list",
            "  vfio snap create 0000:07:00.0 nvme memory=64M --socket-path /tmp/nvme.sock",
            "  vfio snap resize 0000:08:00.0 128M",
            "  vfio snap delete 0000:08:00.0 --timeout 60"
        })
public final class SnapCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
