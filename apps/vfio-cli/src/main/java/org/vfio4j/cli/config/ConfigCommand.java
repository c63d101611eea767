package org.vfio4j.cli.config;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** What is done with files that describe machines. */
@Command(
        name = "config",
        description = "Checks and prints files that describe machines, for vfio serve --config.",
        mixinStandardHelpOptions = true,
        subcommands = {ConfigCheckCommand.class, ConfigPrintCommand.class},
        footer = {
            "",
            "Examples:",
            "  vfio config print shipped:bluefield > machine.yaml",
            "  vfio config check machine.yaml",
            "  vfio serve --config machine.yaml"
        })
public final class ConfigCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
