package org.vfio4j.cli.mdevctl;

import org.vfio4j.cli.text.CliException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Mediated devices, with the verbs of mdevctl. */
@Command(
        name = "mdev",
        description =
                "Makes, defines and lists mediated devices of serving processes, as mdevctl does of the kernel's.",
        mixinStandardHelpOptions = true,
        subcommands = {
            MdevTypesCommand.class,
            MdevListCommand.class,
            MdevStartCommand.class,
            MdevStopCommand.class,
            MdevDefineCommand.class,
            MdevUndefineCommand.class,
            MdevModifyCommand.class,
            MdevMonitorCommand.class
        },
        footer = {
            "",
            "Examples:",
            "  vfio mdev types",
            "  vfio mdev start --parent mtty --type mtty-2",
            "  vfio mdev define --parent mtty --type mtty-1 --auto --attr port0/peer=unix:/tmp/port"
        })
public final class MdevCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Override
    public void run() {
        throw CliException.usage("which verb? See vfio mdev --help", spec.qualifiedName() + " list");
    }
}
