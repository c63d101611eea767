package org.vfio4j.cli.config;

import java.util.List;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Tells what is wrong with the description of a machine. */
@Command(
        name = "check",
        description = "Tells what is wrong with the description of a machine, and opens nothing of it.",
        mixinStandardHelpOptions = true)
final class ConfigCheckCommand implements Runnable {

    @Parameters(paramLabel = "FILE", description = "The file, or shipped:NAME.")
    private String file = "";

    @Mixin
    private OutputOption output = new OutputOption();

    /**
     * A machine as it is printed.
     *
     * @param file its name
     * @param bridges how many bridges it has
     * @param devices how many other devices
     */
    private record Checked(String file, int bridges, int devices) {}

    @Override
    public void run() {
        List<MachineConfig.Device> all = MachineFile.read(file).machine().devices();
        int bridges = (int)
                all.stream().filter(MachineConfig.Bridge.class::isInstance).count();
        Checked checked = new Checked(file, bridges, all.size() - bridges);
        output.print(
                "MachineCheck",
                List.of(checked),
                () -> output.out()
                        .println(file + ": a machine with " + checked.bridges() + " bridges and " + checked.devices()
                                + " devices"));
    }
}
