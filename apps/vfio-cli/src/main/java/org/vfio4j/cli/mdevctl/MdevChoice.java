package org.vfio4j.cli.mdevctl;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.mdevcore.MdevUuid;
import org.vfio4j.sys.ErrnoException;
import picocli.CommandLine.Option;

/** Which mdev a command means, in the words of mdevctl. */
final class MdevChoice {

    @Option(
            names = {"-u", "--uuid"},
            paramLabel = "UUID",
            description = "The mdev.")
    private @Nullable String uuid;

    @Option(
            names = {"-p", "--parent"},
            paramLabel = "PARENT",
            description = "Of what it is made, as mtty.")
    private @Nullable String parent;

    Optional<String> parent() {
        return Optional.ofNullable(parent);
    }

    /** The uuid that was given. */
    Optional<UUID> uuid() {
        try {
            return Optional.ofNullable(uuid).map(MdevUuid::parse);
        } catch (ErrnoException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "uuidgen");
        }
    }

    /** The uuid, without which the command makes no sense. */
    UUID needUuid() {
        return uuid().orElseThrow(() -> CliException.usage(
                "which mdev? --uuid is needed", "vfio mdev list; vfio mdev types for what can be made"));
    }

    /** The parent, without which the command makes no sense. */
    String needParent() {
        return parent().orElseThrow(() -> CliException.usage("of what? --parent is needed", "vfio mdev types"));
    }

    /** Whether one of this uuid and parent is meant; what was not given is any. */
    boolean matches(String otherUuid, String otherParent) {
        return uuid().map(wanted -> wanted.toString().equals(otherUuid)).orElse(true)
                && parent().map(otherParent::equals).orElse(true);
    }

    /** Its only definition, if it has one. */
    Optional<MdevDefinition> find(MdevDefinitions definitions) {
        List<MdevDefinition> found = definitions.of(needUuid()).stream()
                .filter(definition -> parent().map(definition.parent()::equals).orElse(true))
                .toList();
        if (found.size() > 1) {
            List<String> parents = found.stream().map(MdevDefinition::parent).toList();
            throw CliException.usage(
                    needUuid() + " is defined under " + String.join(", ", parents), "--parent " + parents.getFirst());
        }
        return found.stream().findFirst();
    }

    /** Its only definition. */
    MdevDefinition need(MdevDefinitions definitions) {
        return find(definitions)
                .orElseThrow(() -> new CliException(
                        ExitCode.NOT_FOUND, "mdev " + needUuid() + " is not defined", "vfio mdev list --defined"));
    }
}
