package org.vfio4j.cli.socket;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;

/** Sockets at paths, with advice when one cannot be made or is not there. Stateless. */
public final class Sockets {

    private Sockets() {}

    /**
     * Has something listen at a path.
     *
     * @throws CliException what {@code listen} has failed with, and what to try
     */
    public static void listen(Path path, Consumer<Path> listen) {
        try {
            listen.accept(path);
        } catch (ErrnoException e) {
            throw new CliException(e, hint(e.errno(), path));
        }
    }

    /** What to try when nothing can listen at a path. */
    public static String hint(int errno, Path path) {
        return switch (errno) {
            case Errno.EADDRINUSE -> "vfio ls, to see who serves there, or another --socket-path";
            case Errno.EEXIST -> "another --socket-path: what is there is not removed";
            case Errno.ENAMETOOLONG -> shorter();
            case Errno.ENOENT -> "mkdir -p " + path.toAbsolutePath().getParent();
            default -> "ls -ld " + path.toAbsolutePath().getParent();
        };
    }

    /**
     * What to try when nothing answers at a path.
     *
     * @param kind of device that is wanted there
     */
    public static String connectHint(int errno, Path path, String kind) {
        if (errno == Errno.ENAMETOOLONG) {
            return shorter();
        }
        boolean occupied = Files.exists(path) && !isSocket(path);
        return occupied
                ? "another --socket-path: " + path + " is no socket; vfio ls tells what is served where"
                : "vfio ls, to see what is served where; or: vfio serve " + kind + " memory=512M --socket-path " + path;
    }

    /** @throws CliException when there is no socket at a path to which something is to connect later */
    public static void checkThere(Path path) {
        if (!isSocket(path)) {
            throw new CliException(
                    ExitCode.NOT_FOUND,
                    "no socket at " + path + (Files.exists(path) ? ", but something else" : ""),
                    connectHint(Errno.ENOENT, path, "virtio-blk"));
        }
    }

    // Neither file nor directory nor link: what is left is a socket, or a device that nobody means.
    private static boolean isSocket(Path path) {
        return Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path);
    }

    private static String shorter() {
        return "a path of at most " + UnixSocket.MAX_PATH_BYTES
                + " bytes, or cd to its directory and give the file name";
    }
}
