package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * Files by descriptor and memory by address. The calls that take numbers only are for hot paths: they allocate nothing, and say
 * a failure as a negative errno.
 */
public final class FileIo {

    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_EXCL = 0x80;
    public static final int O_NONBLOCK = 0x800;

    /** The only open flag here whose value depends on the architecture. */
    public static final int O_DIRECT = System.getProperty("os.arch").equals("aarch64") ? 0x10000 : 0x4000;

    public static final int FALLOC_FL_KEEP_SIZE = 1;
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    public static final int FALLOC_FL_ZERO_RANGE = 0x10;

    public static final int LOCK_SH = 1;
    public static final int LOCK_EX = 2;
    public static final int LOCK_NB = 4;

    private static final int O_CLOEXEC = 0x80000;
    private static final long BLKGETSIZE64 = 0x80081272L;
    private static final long BLKSSZGET = 0x1268L;

    private static final FunctionDescriptor TRANSFER =
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final FunctionDescriptor VECTORED =
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG);

    private static final MethodHandle OPEN =
            Native.capturingVariadic("open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT), 2);
    private static final MethodHandle PREAD = Native.capturing("pread", TRANSFER);
    private static final MethodHandle PWRITE = Native.capturing("pwrite", TRANSFER);
    private static final MethodHandle PREADV = Native.capturing("preadv", VECTORED);
    private static final MethodHandle PWRITEV = Native.capturing("pwritev", VECTORED);
    private static final MethodHandle FDATASYNC =
            Native.capturing("fdatasync", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle FALLOCATE =
            Native.capturing("fallocate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle FTRUNCATE =
            Native.capturing("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle FLOCK =
            Native.capturing("flock", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle IOCTL =
            Native.capturingVariadic("ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS), 2);

    private FileIo() {}

    /**
     * Opens a file that exists, close-on-exec.
     *
     * @param flags {@code O_*}
     * @throws ErrnoException ENOENT, EACCES, EISDIR, ...
     */
    public static Fd open(Path path, int flags) {
        MemorySegment errno = Native.errnoSegment();
        try (Arena arena = Arena.ofConfined()) {
            int fd = (int) OPEN.invokeExact(errno, arena.allocateFrom(path.toString()), flags | O_CLOEXEC, 0);
            return Fd.own((int) ErrnoException.check(Native.result(fd, errno), "open " + path));
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** pread(2): bytes read, 0 at the end of the file, or a negative errno. */
    public static long pread(int fd, long address, long length, long offset) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((long) PREAD.invokeExact(errno, fd, address, length, offset), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** pwrite(2): bytes written or a negative errno. */
    public static long pwrite(int fd, long address, long length, long offset) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((long) PWRITE.invokeExact(errno, fd, address, length, offset), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** preadv(2) into {@code count} pieces of the iovec array at {@code iov}: bytes read or a negative errno. */
    public static long preadv(int fd, long iov, int count, long offset) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((long) PREADV.invokeExact(errno, fd, iov, count, offset), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** pwritev(2) from {@code count} pieces of the iovec array at {@code iov}: bytes written or a negative errno. */
    public static long pwritev(int fd, long iov, int count, long offset) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((long) PWRITEV.invokeExact(errno, fd, iov, count, offset), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** fdatasync(2): 0 or a negative errno. */
    public static int fdatasync(int fd) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((int) FDATASYNC.invokeExact(errno, fd), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** fallocate(2): 0 or a negative errno. */
    public static int fallocate(int fd, int mode, long offset, long length) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((int) FALLOCATE.invokeExact(errno, fd, mode, offset, length), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** Sets a file's size: ftruncate(2). */
    public static void truncate(Fd fd, long size) {
        MemorySegment errno = Native.errnoSegment();
        try {
            int result = Native.result((int) FTRUNCATE.invokeExact(errno, fd.value(), size), errno);
            ErrnoException.check(result, "ftruncate " + fd + " size=" + size);
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /**
     * Locks an open file: flock(2).
     *
     * @param operation {@code LOCK_*}
     * @return 0, -EAGAIN when another holds it and {@link #LOCK_NB} is given, or another negative errno
     */
    public static int flock(Fd fd, int operation) {
        MemorySegment errno = Native.errnoSegment();
        try {
            return Native.result((int) FLOCK.invokeExact(errno, fd.value(), operation), errno);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** Bytes of a block device: ioctl BLKGETSIZE64. */
    public static long blockDeviceSize(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_LONG);
            ioctl(fd, BLKGETSIZE64, size, "ioctl BLKGETSIZE64 " + fd);
            return size.get(JAVA_LONG, 0);
        }
    }

    /** Bytes of a block device's logical block: ioctl BLKSSZGET. */
    public static int blockDeviceSectorSize(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_INT);
            ioctl(fd, BLKSSZGET, size, "ioctl BLKSSZGET " + fd);
            return size.get(JAVA_INT, 0);
        }
    }

    private static void ioctl(Fd fd, long request, MemorySegment argument, String what) {
        MemorySegment errno = Native.errnoSegment();
        try {
            int result = (int) IOCTL.invokeExact(errno, fd.value(), request, argument);
            ErrnoException.check(Native.result(result, errno), what);
        } catch (ErrnoException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }
}
