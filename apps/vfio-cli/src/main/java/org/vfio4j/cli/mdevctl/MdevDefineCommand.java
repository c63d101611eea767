package org.vfio4j.cli.mdevctl;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.mdev.MdevDefinitionsOption;
import org.vfio4j.cli.mdev.MdevFile;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Defines an mdev, which is not made by that. */
@Command(
        name = "define",
        description = "Defines an mdev: by parent and type, by a file, or as one that is there now.",
        mixinStandardHelpOptions = true)
final class MdevDefineCommand implements Runnable {

    @Mixin
    private MdevChoice choice = new MdevChoice();

    @Option(
            names = {"-t", "--type"},
            paramLabel = "TYPE",
            description = "As vfio mdev types shows it.")
    private @Nullable String type;

    @Option(
            names = {"-a", "--auto"},
            description = "Make it whenever its parent is there (default: when it is started).")
    private boolean auto;

    @Mixin
    private MdevAttributesOption attributes = new MdevAttributesOption();

    @Option(names = "--jsonfile", paramLabel = "FILE", description = "Take all that from such a file as mdevctl's.")
    private @Nullable Path jsonFile;

    @Mixin
    private MdevDefinitionsOption definitions = new MdevDefinitionsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        MdevDefinitions store = definitions.definitions();
        MdevDefinition wanted = wanted();
        boolean known = store.of(wanted.uuid()).stream()
                .anyMatch(definition -> definition.parent().equals(wanted.parent()));
        if (known) {
            throw new CliException(
                    ExitCode.FAILED,
                    "mdev " + wanted.uuid() + " of " + wanted.parent() + " is defined already",
                    "vfio mdev modify --uuid " + wanted.uuid());
        }
        store.write(wanted);
        output.print(
                MdevControl.MDEV,
                List.of(MdevState.of(wanted)),
                () -> output.out().println(wanted.uuid()));
    }

    private MdevDefinition wanted() {
        if (jsonFile != null) {
            if (type != null || auto || !attributes.isEmpty()) {
                throw CliException.usage(
                        "--jsonfile says it all: --type, --auto and --attr do not go with it",
                        "vfio mdev define --help");
            }
            return fromFile(jsonFile, choice.needParent(), choice.uuid().orElseGet(UUID::randomUUID));
        }
        if (type == null) {
            return active();
        }
        return new MdevDefinition(
                choice.needParent(), choice.uuid().orElseGet(UUID::randomUUID), type, auto, attributes.attributes());
    }

    /** What can be set of one that is there, as it is set now. */
    private MdevDefinition active() {
        UUID uuid = choice.needUuid();
        MdevState found = new MdevClient(output.err())
                .active().stream()
                        .filter(mdev -> choice.matches(mdev.uuid(), mdev.parent()))
                        .findFirst()
                        .orElseThrow(() -> CliException.usage(
                                "mdev " + uuid + " is not there now: --parent and --type are needed",
                                "vfio mdev types"));
        return new MdevDefinition(found.parent(), uuid, found.type(), auto, attributes.attributes());
    }

    private static MdevDefinition fromFile(Path file, String parent, UUID uuid) {
        try {
            return MdevFile.parse(file.toString(), Files.readString(file), parent, uuid);
        } catch (ErrnoException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "docs/users/mdev.md, which says how it looks");
        } catch (IOException e) {
            throw new CliException(ErrnoException.of(e, "read " + file), "ls -l " + file);
        }
    }
}
