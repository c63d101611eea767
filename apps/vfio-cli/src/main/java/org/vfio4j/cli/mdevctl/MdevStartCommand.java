package org.vfio4j.cli.mdevctl;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.control.MdevControl;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevDefinitionsOption;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.state.ServerOption;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes an mdev: one that is defined, or a transient one. */
@Command(
        name = "start",
        description = "Makes an mdev and serves it: as it is defined, or a transient one of a parent and type.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio mdev start --uuid 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
            "  vfio mdev start --parent mtty --type mtty-2"
        })
final class MdevStartCommand implements Runnable {

    @Mixin
    private MdevChoice choice = new MdevChoice();

    @Option(
            names = {"-t", "--type"},
            paramLabel = "TYPE",
            description = "Of a transient one.")
    private @Nullable String type;

    @Mixin
    private MdevAttributesOption attributes = new MdevAttributesOption();

    @Option(
            names = "--socket-path",
            paramLabel = "PATH",
            description = "Where it is served (default: mdev/UUID.sock in the runtime directory).")
    private @Nullable Path socketPath;

    @Mixin
    private ServerOption server = new ServerOption();

    @Mixin
    private MdevDefinitionsOption definitions = new MdevDefinitionsOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        String socket = Optional.ofNullable(socketPath)
                .map(path -> path.toAbsolutePath().toString())
                .orElse("");
        MdevState started = new MdevClient(output.err()).start(wanted(), socket, server);
        output.print(
                MdevControl.MDEV,
                List.of(started),
                () -> output.out()
                        .println(started.uuid() + " " + started.parent() + " " + started.type() + " at "
                                + started.socket()));
    }

    private MdevDefinition wanted() {
        if (type == null) {
            MdevDefinition defined = choice.need(definitions.definitions());
            if (!attributes.isEmpty()) {
                throw CliException.usage(
                        "--attr of an mdev that is defined: its definition says what it has",
                        "vfio mdev modify --uuid " + defined.uuid());
            }
            return defined;
        }
        return new MdevDefinition(
                choice.needParent(), choice.uuid().orElseGet(UUID::randomUUID), type, false, attributes.attributes());
    }
}
