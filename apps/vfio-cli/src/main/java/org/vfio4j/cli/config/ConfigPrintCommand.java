package org.vfio4j.cli.config;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints the description of a machine: one that comes with vfio4j is where one's own begins. */
@Command(
        name = "print",
        description = "Prints the description of a machine, such as shipped:bluefield.",
        mixinStandardHelpOptions = true)
final class ConfigPrintCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", description = "The file, or shipped:NAME.")
    private String file = "";

    @Override
    public void run() {
        spec.commandLine().getOut().print(MachineFile.read(file).text());
        spec.commandLine().getOut().flush();
    }
}
