package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNREFUSED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENAMETOOLONG;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Stream sockets of the Unix domain: unix(7). */
public final class UnixSocket {

    /** The longest path of a socket, in bytes, without the NUL. */
    public static final int MAX_PATH_BYTES = 107;

    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_NONBLOCK = 0x800;
    private static final int SOCK_CLOEXEC = 0x80000;

    // struct sockaddr_un {u16 family; char path[108];}
    private static final long SUN_PATH = 2;
    private static final int SOCKADDR_SIZEOF = 110;

    private static final int SOL_SOCKET = 1;
    private static final int SO_PEERCRED = 17;
    private static final int SHUT_RD = 0;

    // struct ucred {i32 pid; u32 uid; u32 gid;}
    private static final int UCRED_SIZEOF = 12;

    private static final CFunction SOCKET = CFunction.of("socket");
    private static final CFunction SOCKETPAIR = CFunction.of("socketpair");
    private static final CFunction BIND = CFunction.of("bind");
    private static final CFunction CONNECT = CFunction.of("connect");
    private static final CFunction LISTEN = CFunction.of("listen");
    private static final CFunction GETSOCKOPT = CFunction.of("getsockopt");
    private static final CFunction ACCEPT4 = CFunction.of("accept4");
    private static final CFunction SHUTDOWN = CFunction.of("shutdown");

    private UnixSocket() {}

    /** Both ends of a connection. */
    public record Pair(Fd first, Fd second) {}

    /**
     * A socket that listens.
     *
     * @param file at its path, as it was before it appeared there
     */
    public record Listening(Fd socket, FileStat file) {}

    /**
     * Listens on {@code path}. A socket that nobody listens on any more is replaced. Whoever finds the file can connect.
     *
     * @return a non-blocking socket
     * @throws ErrnoException EADDRINUSE when somebody listens there, EEXIST when something else than a socket is there,
     *     ENAMETOOLONG over {@link #MAX_PATH_BYTES}, ENOENT or EACCES for the directory, ETIMEDOUT when another process has
     *     it locked for long and there is a socket to be replaced
     */
    public static Fd listen(Path path, int backlog) {
        return listenAt(path, backlog).socket();
    }

    /** The same with a file of certain permission bits, from the beginning. */
    public static Fd listen(Path path, int backlog, int mode) {
        return listenWithMode(path, backlog, mode).socket();
    }

    /** The same for who will remove the file. */
    public static Listening listenAt(Path path, int backlog) {
        return listenWithMode(path, backlog, SocketFile.BY_UMASK);
    }

    /**
     * Removes the file of a socket that does not listen any more, unless it is gone or another one is in its place.
     *
     * @param dev the file's device
     * @param ino its inode
     */
    public static void removeFile(Path path, long dev, long ino) {
        SocketFile.remove(path, dev, ino);
    }

    private static Listening listenWithMode(Path path, int backlog, int mode) {
        Fd socket = socket(SOCK_NONBLOCK);
        try {
            return new Listening(socket, SocketFile.listen(socket, path, backlog, mode));
        } catch (ErrnoException e) {
            socket.close();
            throw e;
        }
    }

    /**
     * Connects to {@code path}.
     *
     * @return a blocking socket
     * @throws ErrnoException ENOENT, EACCES, ECONNREFUSED when nobody listens there
     */
    public static Fd connect(Path path) {
        return connect(path, 0);
    }

    /** The same with a non-blocking socket: does not wait where the queue is full, but fails with EAGAIN. */
    public static Fd connectNow(Path path) {
        return connect(path, SOCK_NONBLOCK);
    }

    private static Fd connect(Path path, int flags) {
        Fd socket = socket(flags);
        try {
            connect(socket, path);
            return socket;
        } catch (ErrnoException e) {
            socket.close();
            throw e;
        }
    }

    /** Accepts a connection: a non-blocking descriptor, or a negative errno, -EAGAIN when there is none. */
    public static int accept(int listenFd) {
        return ACCEPT4.callInt(listenFd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }

    /** A connection with itself, both ends blocking. */
    public static Pair pair() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment fds = arena.allocate(JAVA_INT, 2);
            int result = SOCKETPAIR.callInt(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.address());
            ErrnoException.check(result, "socketpair");
            return new Pair(Fd.own(fds.getAtIndex(JAVA_INT, 0)), Fd.own(fds.getAtIndex(JAVA_INT, 1)));
        }
    }

    /**
     * Which process is at the other end: for one that listens, whoever called listen.
     *
     * @return its id, 0 when it is in a name space that this process cannot see into
     */
    public static int peerPid(Fd socket) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment credentials = arena.allocate(UCRED_SIZEOF, Integer.BYTES);
            MemorySegment size = arena.allocateFrom(JAVA_INT, UCRED_SIZEOF);
            int result =
                    GETSOCKOPT.callInt(socket.value(), SOL_SOCKET, SO_PEERCRED, credentials.address(), size.address());
            ErrnoException.check(result, "getsockopt SO_PEERCRED " + socket);
            return credentials.get(JAVA_INT, 0);
        }
    }

    /**
     * Ends what the other side can send: from now on it gets EPIPE. What it has sent is there to be received, and then the end. Each of its
     * calls has come before this one or after it.
     */
    public static void endReceiving(Fd socket) {
        ErrnoException.check(SHUTDOWN.callInt(socket.value(), SHUT_RD), "shutdown SHUT_RD " + socket);
    }

    public static void setNonBlocking(Fd socket, boolean nonBlocking) {
        socket.setNonBlocking(nonBlocking);
    }

    /** Whether somebody listens on the socket at a path. */
    static boolean isListening(Path path) {
        // Not blocking: with a full queue of connections it would wait for the listener.
        try (Fd probe = socket(SOCK_NONBLOCK)) {
            connect(probe, path);
            return true;
        } catch (ErrnoException e) {
            return switch (e.errno()) {
                case ECONNREFUSED, ENOENT -> false;
                case EAGAIN -> true;
                default -> throw e;
            };
        }
    }

    static byte[] pathBytes(String path, String what) {
        byte[] name = path.getBytes(StandardCharsets.UTF_8);
        if (name.length == 0) {
            // An address of zeroes would be a name outside the file system.
            throw new ErrnoException(EINVAL, what + "(empty path)");
        }
        if (name.length > MAX_PATH_BYTES) {
            throw new ErrnoException(
                    ENAMETOOLONG, what + ": " + name.length + " bytes, the limit is " + MAX_PATH_BYTES);
        }
        return name;
    }

    private static Fd socket(int flags) {
        int fd = SOCKET.callInt(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        return Fd.own((int) ErrnoException.check(fd, "socket AF_UNIX"));
    }

    static void listen(Fd socket, int backlog, Path path) {
        ErrnoException.check(LISTEN.callInt(socket.value(), backlog), "listen " + path);
    }

    /** Makes a socket's file: 0 or a negative errno. */
    static int bind(Fd socket, String path) {
        return address(BIND, socket, path, "bind " + path);
    }

    private static void connect(Fd socket, Path path) {
        String what = "connect " + path;
        ErrnoException.check(address(CONNECT, socket, path.toString(), what), what);
    }

    private static int address(CFunction call, Fd socket, String path, String what) {
        byte[] name = pathBytes(path, what);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = arena.allocate(SOCKADDR_SIZEOF, Short.BYTES);
            address.set(JAVA_SHORT, 0, (short) AF_UNIX);
            MemorySegment.copy(name, 0, address, JAVA_BYTE, SUN_PATH, name.length);
            return call.callInt(socket.value(), address.address(), SOCKADDR_SIZEOF);
        }
    }
}
