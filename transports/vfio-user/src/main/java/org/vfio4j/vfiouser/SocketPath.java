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
 * @param dev the device that holds it
 * @param ino its inode: by both it is the one that the server has made
 */
record SocketPath(Path path, long dev, long ino) {

    /** The file that listening at {@code path} has just made. */
    static SocketPath of(Path path) {
        FileStat made = FileStat.of(path);
        return new SocketPath(path, made.dev(), made.ino());
    }

    /** Removes the file, unless it is gone or somebody has put another one in its place. */
    void removeIfSame() {
        try {
            FileStat now = FileStat.of(path);
            if (now.dev() == dev && now.ino() == ino) {
                Files.deleteIfExists(path);
            }
        } catch (ErrnoException e) {
            // It is gone.
        } catch (IOException e) {
            throw new UncheckedIOException("remove " + path, e);
        }
    }
}
