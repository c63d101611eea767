package org.vfio4j.sys;

import static org.vfio4j.sys.Errno.EADDRINUSE;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How the file of a listening socket comes to its path. bind(2) makes the file, listen(2) comes after it, and a client that connects in
 * between is refused. So a socket is bound beside its path and listens there, and then its file gets its name, by link(2), which takes
 * nobody else's. Who is killed in between leaves a file that is in nobody's way. The kernel goes on to call the socket what it was bound
 * to, in {@code ss -x}: so that begins with the path, where there is room.
 */
final class SocketFile {

    private static final int O_PATH = 0x200000;

    private static final CFunction LINK = CFunction.of("link");
    private static final CFunction RENAME = CFunction.of("rename");
    private static final CFunction UNLINK = CFunction.of("unlink");

    private SocketFile() {}

    /** As {@link UnixSocket#listen}, with a socket that is not bound yet. */
    static void listen(Fd socket, Path path, int backlog) {
        // Before anything is made: most of what can be wrong is.
        makeRoom(path);
        try (Fd directory = hasRoomForMore(path) ? Fd.none() : openParent(path)) {
            String name = bind(socket, path, directory);
            try {
                UnixSocket.listen(socket, backlog, path);
                while (!appears(name, path)) {
                    makeRoom(path);
                }
            } finally {
                call(UNLINK, name);
            }
        }
    }

    /**
     * Binds to a name that nobody has.
     *
     * @param directory that of the path, when the name has no room behind it: /proc leads there from a short name
     */
    private static String bind(Fd socket, Path path, Fd directory) {
        while (true) {
            String own = newName();
            String name = directory.isOpen() ? "/proc/self/fd/" + directory.value() + "/" + own : path + own;
            int result = UnixSocket.bind(socket, name);
            if (result == 0) {
                return name;
            }
            if (result != -EADDRINUSE) {
                throw new ErrnoException(-result, "bind " + path);
            }
        }
    }

    private static String newName() {
        // With the highest bit all are of one length.
        return "~" + Integer.toHexString(ThreadLocalRandom.current().nextInt() | Integer.MIN_VALUE);
    }

    private static boolean hasRoomForMore(Path path) {
        return (path + newName()).getBytes(StandardCharsets.UTF_8).length <= UnixSocket.MAX_PATH_BYTES;
    }

    private static Fd openParent(Path path) {
        Path parent = path.getParent();
        try {
            return FileIo.open(parent == null ? Path.of(".") : parent, O_PATH);
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "bind " + path);
        }
    }

    /** Whether the file has got its name: not when there is another. */
    private static boolean appears(String name, Path path) {
        int result = call(LINK, name, path.toString());
        if (result != -EEXIST) {
            ErrnoException.check(result, "link " + name + " to " + path);
        }
        return result == 0;
    }

    /**
     * Sees to it that nothing is at a path.
     *
     * @throws ErrnoException EEXIST for what is no socket, EADDRINUSE for one that somebody listens on
     */
    private static void makeRoom(Path path) {
        UnixSocket.pathBytes(path.toString(), "bind " + path);
        try {
            if (!FileStat.of(path).isSocket()) {
                throw new ErrnoException(EEXIST, "bind " + path + ", which is no socket");
            }
            // While it is open nobody else's file is the same one, by its numbers.
            try (Fd stale = FileIo.open(path, O_PATH)) {
                if (UnixSocket.isListening(path)) {
                    throw new ErrnoException(EADDRINUSE, "bind " + path);
                }
                remove(path, FileStat.of(stale));
            }
        } catch (ErrnoException e) {
            if (e.errno() != ENOENT) {
                throw e;
            }
        }
    }

    // Another process may find the same, and be faster: then it is its new socket that stands there by now.
    private static void remove(Path path, FileStat stale) {
        Path aside = path.resolveSibling(newName());
        ErrnoException.check(call(RENAME, path.toString(), aside.toString()), "remove " + path);
        if (!FileStat.of(aside).isSameFile(stale)) {
            call(LINK, aside.toString(), path.toString());
        }
        call(UNLINK, aside.toString());
    }

    private static int call(CFunction function, String path) {
        return call(function, path, "");
    }

    private static int call(CFunction function, String path, String otherPath) {
        try (Arena arena = Arena.ofConfined()) {
            return function.callInt(
                    arena.allocateFrom(path).address(),
                    arena.allocateFrom(otherPath).address());
        }
    }
}
