package org.vfio4j.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;

/** Whose the files of a file system are. */
record FileOwner(int uid, int gid) {

    private static final Path SELF = Path.of("/proc/self");

    /** Who runs this process. */
    static FileOwner self() {
        try {
            return new FileOwner(id("unix:uid"), id("unix:gid"));
        } catch (IOException e) {
            throw ErrnoException.of(e, "owner of " + SELF);
        }
    }

    private static int id(String attribute) throws IOException {
        return ((Number) Files.getAttribute(SELF, attribute)).intValue();
    }
}
