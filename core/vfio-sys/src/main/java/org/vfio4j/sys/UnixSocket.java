package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.vfio4j.sys.Errno.EADDRINUSE;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNREFUSED;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENAMETOOLONG;
import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
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

    private static final MethodHandle SOCKET =
            Native.capturing("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle SOCKETPAIR =
            Native.capturing("socketpair", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS));
    private static final MethodHandle BIND =
            Native.capturing("bind", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle CONNECT =
            Native.capturing("connect", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle LISTEN =
            Native.capturing("listen", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle UNLINK = Native.capturing("unlink", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle ACCEPT4 =
            Native.capturing("accept4", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));

    private UnixSocket() {}

    /** Both ends of a connection. */
    public record Pair(Fd first, Fd second) {}

    /**
     * Listens on {@code path}. A socket that nobody listens on any more is replaced.
     *
     * @return a non-blocking socket
     * @throws ErrnoException EADDRINUSE when somebody listens there, EEXIST when something else than a socket is there,
     *     ENAMETOOLONG over {@link #MAX_PATH_BYTES}, ENOENT or EACCES for the directory
     */
    public static Fd listen(Path path, int backlog) {
        removeStale(path);
        Fd socket = socket(SOCK_NONBLOCK);
        try {
            address(BIND, socket, path, "bind " + path);
            listen(socket, backlog, path);
            return socket;
        } catch (ErrnoException e) {
            socket.close();
            throw e;
        }
    }

    /**
     * Connects to {@code path}.
     *
     * @return a blocking socket
     * @throws ErrnoException ENOENT, EACCES, ECONNREFUSED when nobody listens there, EAGAIN when its queue is full
     */
    public static Fd connect(Path path) {
        Fd socket = socket(0);
        try {
            address(CONNECT, socket, path, "connect " + path);
            return socket;
        } catch (ErrnoException e) {
            socket.close();
            throw e;
        }
    }

    /** Accepts a connection: a non-blocking descriptor, or a negative errno, -EAGAIN when there is none. */
    public static int accept(int listenFd) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result(
                    (int) ACCEPT4.invokeExact(
                            errno, listenFd, MemorySegment.NULL, MemorySegment.NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
                    errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** A connection with itself, both ends blocking. */
    public static Pair pair() {
        MemorySegment errno = Native.errnoSegment();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment fds = arena.allocate(JAVA_INT, 2);
            int result = (int) SOCKETPAIR.invokeExact(errno, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
            ErrnoException.check(Native.result(result, errno), "socketpair");
            return new Pair(Fd.own(fds.getAtIndex(JAVA_INT, 0)), Fd.own(fds.getAtIndex(JAVA_INT, 1)));
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    public static void setNonBlocking(Fd socket, boolean nonBlocking) {
        socket.setNonBlocking(nonBlocking);
    }

    private static void removeStale(Path path) {
        pathBytes(path, "bind " + path);
        FileStat found;
        try {
            found = FileStat.of(path);
        } catch (ErrnoException e) {
            if (e.errno() == ENOENT) {
                return;
            }
            throw e;
        }
        if (!found.isSocket()) {
            throw new ErrnoException(EEXIST, "bind " + path + ", which is no socket");
        }
        if (isListening(path)) {
            throw new ErrnoException(EADDRINUSE, "bind " + path);
        }
        unlink(path);
    }

    private static boolean isListening(Path path) {
        // Not blocking: with a full queue of connections it would wait for the listener.
        try (Fd probe = socket(SOCK_NONBLOCK)) {
            address(CONNECT, probe, path, "connect " + path);
            return true;
        } catch (ErrnoException e) {
            return switch (e.errno()) {
                case ECONNREFUSED -> false;
                case EAGAIN -> true;
                default -> throw e;
            };
        }
    }

    private static void unlink(Path path) {
        MemorySegment errno = Native.errnoSegment();
        try (Arena arena = Arena.ofConfined()) {
            int result = Native.result((int) UNLINK.invokeExact(errno, arena.allocateFrom(path.toString())), errno);
            if (result != -ENOENT) {
                ErrnoException.check(result, "unlink " + path);
            }
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static byte[] pathBytes(Path path, String what) {
        byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
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
        MemorySegment errno = Native.errnoSegment();
        try {
            int fd = (int) SOCKET.invokeExact(errno, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
            return Fd.own((int) ErrnoException.check(Native.result(fd, errno), "socket AF_UNIX"));
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static void listen(Fd socket, int backlog, Path path) {
        MemorySegment errno = Native.errnoSegment();
        try {
            int result = Native.result((int) LISTEN.invokeExact(errno, socket.value(), backlog), errno);
            ErrnoException.check(result, "listen " + path);
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static void address(MethodHandle call, Fd socket, Path path, String what) {
        byte[] name = pathBytes(path, what);
        MemorySegment errno = Native.errnoSegment();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = arena.allocate(SOCKADDR_SIZEOF, Short.BYTES);
            address.set(JAVA_SHORT, 0, (short) AF_UNIX);
            MemorySegment.copy(name, 0, address, JAVA_BYTE, SUN_PATH, name.length);
            int result = (int) call.invokeExact(errno, socket.value(), address, SOCKADDR_SIZEOF);
            ErrnoException.check(Native.result(result, errno), what);
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }
}
