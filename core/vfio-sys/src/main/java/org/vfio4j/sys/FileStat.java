package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * What statx(2) tells of a file: its layout is the same on every architecture, that of stat(2) is not.
 *
 * @param size bytes
 * @param mode type and permission bits, as {@code st_mode}
 * @param dev device that holds the file: major in the upper half, minor in the lower
 * @param ino inode
 * @param blockSize preferred size of an access
 * @param blocks units of 512 bytes that it takes on its device
 * @param dioMemoryAlign what memory must be aligned to for O_DIRECT; 0 where the kernel (before 6.1) or the file system does not
 *     tell, or there is no O_DIRECT
 * @param dioOffsetAlign what offsets and lengths must be multiples of for O_DIRECT; 0 likewise
 */
public record FileStat(
        long size, int mode, long dev, long ino, int blockSize, long blocks, int dioMemoryAlign, int dioOffsetAlign) {

    /** {@link #fsMagic} of tmpfs, which holds memfds. */
    public static final long TMPFS_MAGIC = 0x01021994L;

    /** {@link #fsMagic} of hugetlbfs. */
    public static final long HUGETLBFS_MAGIC = 0x958458f6L;

    private static final int S_IFMT = 0xf000;
    private static final int S_IFREG = 0x8000;
    private static final int S_IFBLK = 0x6000;
    private static final int S_IFDIR = 0x4000;
    private static final int S_IFSOCK = 0xc000;

    private static final int AT_FDCWD = -100;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int STATX_DIOALIGN = 0x2000;

    // struct statx
    private static final long STATX_SIZEOF = 256;
    private static final long STX_BLKSIZE = 4;
    private static final long STX_MODE = 28;
    private static final long STX_INO = 32;
    private static final long STX_SIZE = 40;
    private static final long STX_BLOCKS = 48;
    private static final long STX_DEV_MAJOR = 136;
    private static final long STX_DEV_MINOR = 140;
    private static final long STX_DIO_MEM_ALIGN = 152;
    private static final long STX_DIO_OFFSET_ALIGN = 156;

    // struct statfs: f_type comes first.
    private static final long STATFS_SIZEOF = 256;

    private static final CFunction STATX = CFunction.of("statx");
    private static final CFunction FSTATFS = CFunction.of("fstatfs");

    /** Of an open file. */
    public static FileStat of(Fd fd) {
        return statx(fd.value(), "", AT_EMPTY_PATH, "statx " + fd);
    }

    /**
     * Of a path, which may be a symbolic link: that is not followed.
     *
     * @throws ErrnoException ENOENT, EACCES, ...
     */
    public static FileStat of(Path path) {
        return statx(AT_FDCWD, path.toString(), AT_SYMLINK_NOFOLLOW, "statx " + path);
    }

    /** The magic number of the file system that holds an open file. */
    public static long fsMagic(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(STATFS_SIZEOF, Long.BYTES);
            ErrnoException.check(FSTATFS.callInt(fd.value(), buffer.address()), "fstatfs " + fd);
            return buffer.get(JAVA_LONG, 0) & 0xffff_ffffL;
        }
    }

    public boolean isRegular() {
        return (mode & S_IFMT) == S_IFREG;
    }

    public boolean isBlockDevice() {
        return (mode & S_IFMT) == S_IFBLK;
    }

    public boolean isDirectory() {
        return (mode & S_IFMT) == S_IFDIR;
    }

    public boolean isSocket() {
        return (mode & S_IFMT) == S_IFSOCK;
    }

    /** Whether both are the same file. */
    public boolean isSameFile(FileStat other) {
        return dev == other.dev && ino == other.ino;
    }

    private static FileStat statx(int dirFd, String path, int flags, String what) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocateFrom(path);
            MemorySegment buffer = arena.allocate(STATX_SIZEOF, Long.BYTES);
            int result =
                    STATX.callInt(dirFd, name.address(), flags, STATX_BASIC_STATS | STATX_DIOALIGN, buffer.address());
            ErrnoException.check(result, what);
            return new FileStat(
                    buffer.get(JAVA_LONG, STX_SIZE),
                    Short.toUnsignedInt(buffer.get(JAVA_SHORT, STX_MODE)),
                    (long) buffer.get(JAVA_INT, STX_DEV_MAJOR) << 32
                            | Integer.toUnsignedLong(buffer.get(JAVA_INT, STX_DEV_MINOR)),
                    buffer.get(JAVA_LONG, STX_INO),
                    buffer.get(JAVA_INT, STX_BLKSIZE),
                    buffer.get(JAVA_LONG, STX_BLOCKS),
                    buffer.get(JAVA_INT, STX_DIO_MEM_ALIGN),
                    buffer.get(JAVA_INT, STX_DIO_OFFSET_ALIGN));
        }
    }
}
