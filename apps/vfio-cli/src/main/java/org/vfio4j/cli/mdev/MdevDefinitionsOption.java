package org.vfio4j.cli.mdev;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where a command's definitions of mdevs are. */
public final class MdevDefinitionsOption {

    @Option(
            names = "--definitions",
            paramLabel = "DIR",
            description = "Where mdevs are defined, as in mdevctl's /etc/mdevctl.d (default: ~/.config/vfio4j/mdev.d).")
    private @Nullable Path directory;

    public MdevDefinitions definitions() {
        return new MdevDefinitions(directory == null ? MdevDefinitions.defaultDirectory() : directory);
    }
}
