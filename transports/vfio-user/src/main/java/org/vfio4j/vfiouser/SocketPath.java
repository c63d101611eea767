package org.vfio4j.vfiouser;

import java.nio.file.Path;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.UnixSocket;

/**
 * The file of a listening socket, which goes when the server goes.
 *
 * @param path the file
 * @param dev the device that holds it
 * @param ino its inode: by both it is the one that the server has made
 */
record SocketPath(Path path, long dev, long ino) {

    /** The file that listening at {@code path} has made. */
    static SocketPath of(Path path, FileStat made) {
        return new SocketPath(path, made.dev(), made.ino());
    }

    /** Removes the file, unless it is gone or somebody has put another one in its place. */
    void removeIfSame() {
        UnixSocket.removeFile(path, dev, ino);
    }
}
