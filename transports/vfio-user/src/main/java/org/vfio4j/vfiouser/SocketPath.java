package org.vfio4j.vfiouser;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.FileStat;

/**
 * The file of a listening socket, which goes when the server goes.
 *
 * @param path the file
 * @param made what it was when the server made it
 */
record SocketPath(Path path, FileStat made) {

    /** The file that listening at {@code path} has just made. */
    static SocketPath of(Path path) {
        return new SocketPath(path, FileStat.of(path));
    }

    /** Removes the file, unless it is gone or somebody has put another one in its place. */
    void removeIfSame() {
        try {
            if (FileStat.of(path).isSameFile(made)) {
                Files.deleteIfExists(path);
            }
        } catch (ErrnoException e) {
            // It is gone.
        } catch (IOException e) {
            throw new UncheckedIOException("remove " + path, e);
        }
    }
}
