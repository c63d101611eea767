package org.vfio4j.cli.mdevctl;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.mdev.MdevDefinitionsOption;
import org.vfio4j.cli.mdev.MdevFile;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Changes a definition; an mdev that is there stays as it is. */
@Command(
        name = "modify",
        description = "Changes the definition of an mdev. One that is there stays as it is.",
        mixinStandardHelpOptions = true)
final class MdevModifyCommand implements Runnable {

    @Mixin
    private MdevChoice choice = new MdevChoice();

    @Option(
            names = {"-t", "--type"},
            paramLabel = "TYPE",
            description = "Another type.")
    private @Nullable String type;

    @Option(
            names = {"-a", "--auto"},
            description = "Make it whenever its parent is there.")
    private boolean auto;

    @Option(
            names = {"-m", "--manual"},
            description = "Make it when it is started.")
    private boolean manual;

    @Option(names = "--addattr", paramLabel = "NAME", description = "Add an attribute, with --value.")
    private @Nullable String addAttribute;

    @Option(names = "--value", paramLabel = "VALUE", description = "Of the attribute that is added.")
    private @Nullable String value;

    @Option(names = "--delattr", description = "Take an attribute out: the last, or that of --index.")
    private boolean deleteAttribute;

    @Option(
            names = {"-i", "--index"},
            paramLabel = "N",
            description = "Where, from 0 (default: at the end).")
    private @Nullable Integer index;

    @Mixin
    private MdevDefinitionsOption definitions = new MdevDefinitionsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        check();
        MdevDefinitions store = definitions.definitions();
        MdevDefinition old = choice.need(store);
        MdevDefinition changed = old.withType(type == null ? old.type() : type)
                .withAuto(auto || (!manual && old.auto()))
                .withAttributes(attributes(old.attributes()));
        store.write(changed);
        output.print(
                MdevControl.MDEV,
                List.of(MdevState.of(changed)),
                () -> output.out().print(MdevFile.write(changed)));
    }

    private void check() {
        if (auto && manual) {
            throw CliException.usage("--auto or --manual, not both", "vfio mdev modify --help");
        }
        if ((addAttribute == null) != (value == null) || (addAttribute != null && deleteAttribute)) {
            throw CliException.usage(
                    "--addattr NAME --value VALUE, or --delattr", "--addattr port0/peer --value loopback");
        }
        if (type == null && !auto && !manual && addAttribute == null && !deleteAttribute) {
            throw CliException.usage("nothing to change", "vfio mdev modify --help");
        }
    }

    private List<MdevDefinition.Attribute> attributes(List<MdevDefinition.Attribute> old) {
        List<MdevDefinition.Attribute> changed = new ArrayList<>(old);
        int last = deleteAttribute ? old.size() - 1 : old.size();
        int at = index == null ? last : index;
        boolean touches = deleteAttribute || addAttribute != null;
        if (touches && (at < 0 || at > last)) {
            throw CliException.usage(
                    "attribute " + at + " of " + old.size(),
                    "vfio mdev list --defined --verbose --uuid " + choice.needUuid());
        }
        if (deleteAttribute) {
            changed.remove(at);
        } else if (addAttribute != null && value != null) {
            changed.add(at, new MdevDefinition.Attribute(addAttribute, value));
        }
        return changed;
    }
}
