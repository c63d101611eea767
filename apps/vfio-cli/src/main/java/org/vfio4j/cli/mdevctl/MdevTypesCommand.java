package org.vfio4j.cli.mdevctl;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.mdev.MdevTypeState;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Table;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Lists what mdevs can be made. */
@Command(
        name = "types",
        description = "Lists what mdevs can be made, and how many more.",
        mixinStandardHelpOptions = true)
final class MdevTypesCommand implements Runnable {

    @Option(
            names = {"-p", "--parent"},
            paramLabel = "PARENT",
            description = "Of this parent only.")
    private @Nullable String parent;

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<MdevTypeState> types = new MdevClient(output.err())
                .types().stream()
                        .filter(type -> parent == null || type.parent().equals(parent))
                        .toList();
        output.print(MdevControl.MDEV_TYPE, types, () -> print(types));
    }

    private void print(List<MdevTypeState> types) {
        if (types.isEmpty()) {
            output.err().println("vfio: no serving process has a parent of mdevs");
            output.err().println("try: vfio serve mtty");
            return;
        }
        Table table = new Table("PARENT", "TYPE", "AVAILABLE", "API", "NAME", "PID");
        for (MdevTypeState type : types) {
            table.row(
                    type.parent(),
                    type.type(),
                    Integer.toString(type.availableInstances()),
                    type.deviceApi(),
                    type.name(),
                    Long.toString(type.pid()));
        }
        output.out().print(table);
    }
}
