package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * Files by descriptor and memory by address. The calls that take numbers only are for hot paths: they allocate nothing, and say
 * a failure as a negative errno.
 */
public final class FileIo {

    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
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
    public static final int LOCK_UN = 8;

    private static final int O_CLOEXEC = 0x80000;
    private static final int RWF_NOWAIT = 8;
    private static final long BLKGETSIZE64 = 0x80081272L;
    private static final long BLKSSZGET = 0x1268L;

    private static final CFunction OPEN = CFunction.of("open");
    private static final CFunction READ = CFunction.of("read");
    private static final CFunction WRITE = CFunction.of("write");
    private static final CFunction PREAD = CFunction.of("pread");
    private static final CFunction PWRITE = CFunction.of("pwrite");
    private static final CFunction PREADV = CFunction.of("preadv");
    private static final CFunction PREADV2 = CFunction.of("preadv2");
    private static final CFunction PWRITEV = CFunction.of("pwritev");
    private static final CFunction FDATASYNC = CFunction.of("fdatasync");
    private static final CFunction FALLOCATE = CFunction.of("fallocate");
    private static final CFunction FTRUNCATE = CFunction.of("ftruncate");
    private static final CFunction FLOCK = CFunction.of("flock");

    private FileIo() {}

    /**
     * Opens a file that exists, close-on-exec.
     *
     * @param flags {@code O_*}
     * @throws ErrnoException ENOENT, EACCES, EISDIR, ...
     */
    public static Fd open(Path path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            int fd = OPEN.callInt(arena.allocateFrom(path.toString()).address(), flags | O_CLOEXEC, 0);
            return Fd.own((int) ErrnoException.check(fd, "open " + path));
        }
    }

    /** read(2): bytes read, 0 at the end of the file, or a negative errno. */
    public static long read(int fd, long address, long length) {
        return READ.call(fd, address, length);
    }

    /** write(2): bytes written or a negative errno. */
    public static long write(int fd, long address, long length) {
        return WRITE.call(fd, address, length);
    }

    /** pread(2): bytes read, 0 at the end of the file, or a negative errno. */
    public static long pread(int fd, long address, long length, long offset) {
        return PREAD.call(fd, address, length, offset);
    }

    /** pwrite(2): bytes written or a negative errno. */
    public static long pwrite(int fd, long address, long length, long offset) {
        return PWRITE.call(fd, address, length, offset);
    }

    /** preadv(2) into {@code count} pieces of the iovec array at {@code iov}: bytes read or a negative errno. */
    public static long preadv(int fd, long iov, int count, long offset) {
        return PREADV.call(fd, iov, count, offset);
    }

    /** Whether the file takes reads that must not wait, which RWF_NOWAIT of preadv2(2) asks for: not those of each file system do. */
    public static boolean takesNoWait(Fd file) {
        try (Arena arena = Arena.ofConfined()) {
            long byteOfIt = arena.allocate(1).address();
            MemorySegment iovec = arena.allocateFrom(JAVA_LONG, byteOfIt, 1);
            return PREADV2.call(file.value(), iovec.address(), 1, 0, RWF_NOWAIT, 0) != -EOPNOTSUPP;
        }
    }

    /** pwritev(2) from {@code count} pieces of the iovec array at {@code iov}: bytes written or a negative errno. */
    public static long pwritev(int fd, long iov, int count, long offset) {
        return PWRITEV.call(fd, iov, count, offset);
    }

    /** fdatasync(2): 0 or a negative errno. */
    public static int fdatasync(int fd) {
        return FDATASYNC.callInt(fd);
    }

    /** fallocate(2): 0 or a negative errno. */
    public static int fallocate(int fd, int mode, long offset, long length) {
        return FALLOCATE.callInt(fd, mode, offset, length);
    }

    /** Sets a file's size: ftruncate(2). */
    public static void truncate(Fd fd, long size) {
        ErrnoException.check(FTRUNCATE.callInt(fd.value(), size), "ftruncate " + fd + " size=" + size);
    }

    /**
     * Locks an open file: flock(2).
     *
     * @param operation {@code LOCK_*}
     * @return 0, -EAGAIN when another holds it and {@link #LOCK_NB} is given, or another negative errno
     */
    public static int flock(Fd fd, int operation) {
        return FLOCK.callInt(fd.value(), operation);
    }

    /** Bytes of a block device: ioctl BLKGETSIZE64. */
    public static long blockDeviceSize(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_LONG);
            Ioctl.call(fd, BLKGETSIZE64, "BLKGETSIZE64", size);
            return size.get(JAVA_LONG, 0);
        }
    }

    /** Bytes of a block device's logical block: ioctl BLKSSZGET. */
    public static int blockDeviceSectorSize(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_INT);
            Ioctl.call(fd, BLKSSZGET, "BLKSSZGET", size);
            return size.get(JAVA_INT, 0);
        }
    }
}
