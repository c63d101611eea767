package org.vfio4j.cli.mdevctl;

import java.util.List;
import java.util.UUID;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.mdev.MdevDefinitionsOption;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Forgets a definition; an mdev that is there stays. */
@Command(
        name = "undefine",
        description =
                "Forgets the definition of an mdev, under all parents or the one that is named. One that is there stays.",
        mixinStandardHelpOptions = true)
final class MdevUndefineCommand implements Runnable {

    @Mixin
    private MdevChoice choice = new MdevChoice();

    @Mixin
    private MdevDefinitionsOption definitions = new MdevDefinitionsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        UUID uuid = choice.needUuid();
        MdevDefinitions store = definitions.definitions();
        List<MdevDefinition> going = store.of(uuid).stream()
                .filter(definition -> choice.matches(uuid.toString(), definition.parent()))
                .toList();
        if (going.isEmpty()) {
            throw new CliException(ExitCode.NOT_FOUND, "mdev " + uuid + " is not defined", "vfio mdev list --defined");
        }
        going.forEach(store::delete);
        output.print(
                MdevControl.MDEV,
                going.stream().map(MdevState::of).toList(),
                () -> going.forEach(
                        definition -> output.out().println(uuid + " of " + definition.parent() + " undefined")));
    }
}
