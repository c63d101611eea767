package org.vfio4j.sys;

import static org.vfio4j.sys.Errno.EADDRINUSE;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSYS;

import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How the file of a listening socket comes to its path. bind(2) makes the file, listen(2) comes after it, and a client that connects in
 * between is refused. So a socket is bound beside its path and listens there, and then its file is moved, by renameat2(2), which can be told
 * to take nobody else's place. Who is killed in between leaves a file that is in nobody's way. The kernel goes on to call the socket what it
 * was bound to, in {@code ss -x}: so that begins with the path, where there is room.
 *
 * <p>A socket at the path that nobody listens on is of a server that has died: it is removed, under a lock of the directory.
 */
final class SocketFile {

    /** Permission bits as the process's umask has them. */
    static final int BY_UMASK = -1;

    private static final int O_PATH = 0x200000;
    private static final int O_NOFOLLOW = System.getProperty("os.arch").equals("aarch64") ? 0x8000 : 0x20000;
    private static final int AT_FDCWD = -100;
    private static final int RENAME_NOREPLACE = 1;

    private static final CFunction CHMOD = CFunction.of("chmod");
    private static final CFunction LINK = CFunction.of("link");
    private static final CFunction RENAME = CFunction.of("rename");
    private static final CFunction RENAMEAT2 = CFunction.of("renameat2");
    private static final CFunction UNLINK = CFunction.of("unlink");

    private SocketFile() {}

    /**
     * As {@link UnixSocket#listen}, with a socket that is not bound yet.
     *
     * @param mode the file's permission bits, or {@link #BY_UMASK}
     * @return the file
     */
    static FileStat listen(Fd socket, Path path, int backlog, int mode) {
        UnixSocket.pathBytes(path.toString(), "bind " + path);
        // Before anything is made: most of what can be wrong is.
        makeRoom(path);
        try (Fd directory = hasRoomForMore(path) ? Fd.none() : openParent(path)) {
            String name = bind(socket, path, directory);
            try {
                if (mode != BY_UMASK) {
                    ErrnoException.check(chmod(name, mode), "chmod " + name);
                }
                UnixSocket.listen(socket, backlog, path);
                FileStat file = FileStat.of(Path.of(name));
                while (!appears(name, path)) {
                    makeRoom(path);
                }
                return file;
            } catch (ErrnoException e) {
                unlink(name);
                throw e;
            }
        }
    }

    /** Removes a socket's file when its server ends, unless it is gone or another one is in its place. */
    static void remove(Path path, long dev, long ino) {
        try (Fd _ = lockIfPossible(path)) {
            if (isThere(path, dev, ino)) {
                int result = unlink(path.toString());
                if (result != -ENOENT) {
                    ErrnoException.check(result, "unlink " + path);
                }
            }
        }
    }

    private static boolean isThere(Path path, long dev, long ino) {
        try {
            FileStat now = FileStat.of(path);
            return now.dev() == dev && now.ino() == ino;
        } catch (ErrnoException e) {
            // It is gone, or out of reach.
            return false;
        }
    }

    // A directory that cannot be locked is one where no stale socket is replaced: there nobody comes in between.
    private static Fd lockIfPossible(Path path) {
        try {
            return DirectoryLock.ofParent(path);
        } catch (ErrnoException e) {
            return Fd.none();
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
        try {
            return FileIo.open(DirectoryLock.parent(path), O_PATH);
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "bind " + path + ": open its directory");
        }
    }

    /** Whether the file has got its name: not when there is another. */
    private static boolean appears(String name, Path path) {
        int result = move(name, path.toString());
        if (result != -EEXIST) {
            ErrnoException.check(result, "move " + name + " to " + path);
        }
        return result == 0;
    }

    /**
     * Sees to it that nothing is at a path.
     *
     * @throws ErrnoException EEXIST for what is no socket, EADDRINUSE for one that somebody listens on; what {@link DirectoryLock} says:
     *     a directory that cannot be locked keeps what is there
     */
    private static void makeRoom(Path path) {
        try (Fd stale = openStale(path)) {
            if (!stale.isOpen()) {
                return;
            }
        }
        // Another process may find the same, and be faster: then it is its new socket that stands there by now.
        try (Fd _ = DirectoryLock.ofParent(path);
                Fd stale = openStale(path)) {
            if (stale.isOpen()) {
                removeStale(path, FileStat.of(stale));
            }
        }
    }

    /** A socket's file that nobody listens on; closed when nothing is there. While it is open no other has its numbers. */
    private static Fd openStale(Path path) {
        Fd file;
        try {
            file = FileIo.open(path, O_PATH | O_NOFOLLOW);
        } catch (ErrnoException e) {
            if (e.errno() == ENOENT) {
                return Fd.none();
            }
            throw e;
        }
        try {
            if (!FileStat.of(file).isSocket()) {
                throw new ErrnoException(EEXIST, "bind " + path + ", which is no socket");
            }
            if (UnixSocket.isListening(path)) {
                throw new ErrnoException(EADDRINUSE, "bind " + path);
            }
            return file;
        } catch (ErrnoException e) {
            file.close();
            throw e;
        }
    }

    // Who does not lock, another program that is, may still come between two calls: its file is given back then.
    private static void removeStale(Path path, FileStat stale) {
        if (!isSame(path, stale)) {
            return;
        }
        Path aside = path.resolveSibling(newName());
        int result = call(RENAME, path.toString(), aside.toString());
        if (result == -ENOENT) {
            return;
        }
        ErrnoException.check(result, "rename " + path + " to " + aside);
        boolean isStale;
        try {
            isStale = isSame(aside, stale);
        } catch (ErrnoException e) {
            giveBack(aside, path);
            throw e;
        }
        if (isStale) {
            ErrnoException.check(unlink(aside.toString()), "unlink " + aside + ", which was " + path);
        } else {
            giveBack(aside, path);
        }
    }

    private static boolean isSame(Path path, FileStat file) {
        try {
            return FileStat.of(path).isSameFile(file);
        } catch (ErrnoException e) {
            if (e.errno() == ENOENT) {
                return false;
            }
            throw e;
        }
    }

    private static void giveBack(Path aside, Path path) {
        int result = move(aside.toString(), path.toString());
        // Its owner may have removed it there.
        if (result != -ENOENT) {
            ErrnoException.check(result, "move " + aside + " back to " + path + ", where another's socket was");
        }
    }

    /** Gives a file another name, that nobody has: 0, -EEXIST when somebody does, or another negative errno. */
    private static int move(String from, String to) {
        int result;
        try (Arena arena = Arena.ofConfined()) {
            long source = arena.allocateFrom(from).address();
            long target = arena.allocateFrom(to).address();
            result = RENAMEAT2.callInt(AT_FDCWD, source, AT_FDCWD, target, RENAME_NOREPLACE);
        }
        // File systems that do not know the flag have hard links, or no sockets.
        return result == -EINVAL || result == -ENOSYS ? moveByLink(from, to) : result;
    }

    static int moveByLink(String from, String to) {
        int result = call(LINK, from, to);
        if (result == 0) {
            unlink(from);
        }
        return result;
    }

    private static int call(CFunction function, String from, String to) {
        try (Arena arena = Arena.ofConfined()) {
            return function.callInt(
                    arena.allocateFrom(from).address(), arena.allocateFrom(to).address());
        }
    }

    private static int chmod(String name, int mode) {
        try (Arena arena = Arena.ofConfined()) {
            return CHMOD.callInt(arena.allocateFrom(name).address(), mode);
        }
    }

    private static int unlink(String name) {
        try (Arena arena = Arena.ofConfined()) {
            return UNLINK.callInt(arena.allocateFrom(name).address());
        }
    }
}
