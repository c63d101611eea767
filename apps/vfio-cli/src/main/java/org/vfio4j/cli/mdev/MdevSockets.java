package org.vfio4j.cli.mdev;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.sys.ErrnoException;

/** Where mdevs are served when nobody says otherwise: a path that a virtual machine finds again, whichever process serves there. */
public final class MdevSockets {

    private MdevSockets() {}

    /** The socket of an mdev; the directory is there then. */
    public static Path path(UUID uuid) {
        Path directory = ServerDirectory.parent().resolve("mdev");
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw ErrnoException.of(e, "make " + directory);
        }
        return directory.resolve(uuid + ".sock");
    }
}
