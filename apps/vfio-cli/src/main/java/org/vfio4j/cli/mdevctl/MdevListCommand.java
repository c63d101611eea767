package org.vfio4j.cli.mdevctl;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitionsOption;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Lists mdevs. */
@Command(
        name = "list",
        description = "Lists the mdevs that are there, or those that are defined.",
        mixinStandardHelpOptions = true)
final class MdevListCommand implements Runnable {

    @Option(
            names = {"-d", "--defined"},
            description = "Those that are defined, active or not.")
    private boolean defined;

    @Option(
            names = {"-v", "--verbose"},
            description = "With their attributes.")
    private boolean verbose;

    @Mixin
    private MdevChoice choice = new MdevChoice();

    @Mixin
    private MdevDefinitionsOption definitions = new MdevDefinitionsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<MdevDefinition> all = definitions.definitions().all();
        List<MdevState> active = new MdevClient(output.err()).active();
        List<MdevState> shown = (defined ? definedOnes(all, active) : activeOnes(all, active))
                .stream()
                        .filter(mdev -> choice.matches(mdev.uuid(), mdev.parent()))
                        .toList();
        output.print(MdevControl.MDEV, shown, () -> print(shown));
    }

    private static List<MdevState> activeOnes(List<MdevDefinition> all, List<MdevState> active) {
        return active.stream()
                .map(mdev -> all.stream()
                        .filter(definition -> isOf(definition, mdev))
                        .findFirst()
                        .map(definition -> mdev.withStart(definition.start()))
                        .orElse(mdev))
                .toList();
    }

    private static List<MdevState> definedOnes(List<MdevDefinition> all, List<MdevState> active) {
        List<MdevState> shown = new ArrayList<>();
        for (MdevDefinition definition : all) {
            shown.add(active.stream()
                    .filter(mdev -> isOf(definition, mdev))
                    .findFirst()
                    .map(mdev -> mdev.withStart(definition.start()))
                    .orElse(MdevState.of(definition)));
        }
        return shown;
    }

    private static boolean isOf(MdevDefinition definition, MdevState mdev) {
        return definition.uuid().toString().equals(mdev.uuid())
                && definition.parent().equals(mdev.parent());
    }

    private void print(List<MdevState> mdevs) {
        if (mdevs.isEmpty()) {
            output.err().println(defined ? "vfio: no mdev is defined" : "vfio: there is no mdev");
            output.err().println("try: vfio mdev types, vfio mdev " + (defined ? "define" : "start"));
            return;
        }
        Table table = new Table("UUID", "PARENT", "TYPE", "START", "DEVICE", "PID", "SOCKET");
        for (MdevState mdev : mdevs) {
            table.row(
                    mdev.uuid(),
                    mdev.parent(),
                    mdev.type(),
                    mdev.start().isEmpty() ? "-" : mdev.start(),
                    mdev.active() ? mdev.vfioDevice() : "-",
                    mdev.active() ? Long.toString(mdev.pid()) : "-",
                    mdev.active() ? mdev.socket() : "-");
        }
        output.out().print(table);
        if (verbose) {
            for (MdevState mdev : mdevs) {
                mdev.attributes()
                        .forEach(attribute ->
                                output.out().println(mdev.uuid() + " " + attribute.name() + "=" + attribute.value()));
            }
        }
    }
}
