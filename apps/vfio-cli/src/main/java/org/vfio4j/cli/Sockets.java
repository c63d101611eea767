package org.vfio4j.cli;

import java.nio.file.Path;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Serves functions at paths, with advice when a path cannot be taken. */
final class Sockets {

    private Sockets() {}

    static void serve(MachineFunction function, Path path, VfioUserServerOptions options) {
        try {
            function.serveAt(path, options);
        } catch (ErrnoException e) {
            throw new CliException(e, hint(e.errno(), path));
        }
    }

    private static String hint(int errno, Path path) {
        return switch (errno) {
            case Errno.EADDRINUSE -> "vfio ls, to see who serves there, or another --socket-path";
            case Errno.EEXIST -> "another --socket-path: what is there is not removed";
            case Errno.ENAMETOOLONG ->
                "a path of at most " + UnixSocket.MAX_PATH_BYTES
                        + " bytes, or cd to its directory and give the file name";
            case Errno.ENOENT -> "mkdir -p " + path.toAbsolutePath().getParent();
            default -> "ls -ld " + path.toAbsolutePath().getParent();
        };
    }
}
