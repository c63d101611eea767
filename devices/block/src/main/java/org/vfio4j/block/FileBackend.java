package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EISDIR;

import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.IoUring;

/**
 * A regular file or a block device. It is opened as it is: never created, never resized. A writable one is locked against a
 * second server, a read-only one against writers, with flock(2).
 */
public final class FileBackend implements BlockBackend {

    private final Path path;
    private final Fd file;
    private final long sizeBytes;
    private final int physicalBlockBytes;
    private final boolean readOnly;
    private final boolean uring;

    private FileBackend(Path path, Fd file, boolean readOnly, FileIoMode mode) {
        this.path = path;
        this.file = file;
        this.readOnly = readOnly;
        FileStat stat = FileStat.of(file);
        sizeBytes = checkedSize(path, file, stat);
        if (stat.isBlockDevice() && !readOnly) {
            claim(path, file);
        }
        physicalBlockBytes = Math.max(SECTOR_BYTES, Integer.highestOneBit(Math.min(stat.blockSize(), 4096)));
        lock();
        uring = switch (mode) {
            case AUTO -> isUringOffered();
            case URING -> {
                probeUring();
                yield true;
            }
            case SYNC -> false;
        };
    }

    /**
     * Opens a file.
     *
     * @throws ErrnoException ENOENT, EACCES, EROFS as open(2); EISDIR; EINVAL when it is neither a regular file nor a block
     *     device, or its size is 0 or no multiple of {@link #SECTOR_BYTES}; EBUSY when another server has it; ENOSYS or
     *     EPERM when {@link FileIoMode#URING} is wanted and not offered
     */
    public static FileBackend open(Path path, boolean readOnly, FileIoMode mode) {
        // Without O_NONBLOCK the opening of a pipe would wait.
        Fd file = FileIo.open(path, (readOnly ? FileIo.O_RDONLY : FileIo.O_RDWR) | FileIo.O_NONBLOCK);
        try {
            // With it io_uring answers EAGAIN where it should wait for the file system.
            file.setNonBlocking(false);
            return new FileBackend(path, file, readOnly, mode);
        } catch (ErrnoException e) {
            file.close();
            throw e;
        }
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int physicalBlockBytes() {
        return physicalBlockBytes;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public String describe() {
        return "file " + path + (uring ? " (io_uring)" : " (preadv)");
    }

    @Override
    public BlockQueue openQueue(int depth) {
        return uring
                ? new UringQueue(file, sizeBytes, readOnly, depth)
                : new SyncQueue(file, sizeBytes, readOnly, depth);
    }

    @Override
    public void close() {
        file.close();
    }

    private void lock() {
        int locked = FileIo.flock(file, (readOnly ? FileIo.LOCK_SH : FileIo.LOCK_EX) | FileIo.LOCK_NB);
        if (locked == -EAGAIN) {
            throw new ErrnoException(EBUSY, "lock " + path + ", which another server has");
        }
        ErrnoException.check(locked, "lock " + path);
    }

    /** With O_EXCL a block device that is mounted, or part of another device, answers EBUSY. */
    private static void claim(Path path, Fd file) {
        try {
            FileIo.open(Path.of("/proc/self/fd/" + file.value()), FileIo.O_RDWR | FileIo.O_EXCL)
                    .close();
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "open " + path + " to write, which is mounted or in use");
        }
    }

    private static long checkedSize(Path path, Fd file, FileStat stat) {
        if (stat.isDirectory()) {
            throw new ErrnoException(EISDIR, "open " + path);
        }
        if (!stat.isRegular() && !stat.isBlockDevice()) {
            throw new ErrnoException(EINVAL, "open " + path + ", which is neither a regular file nor a block device");
        }
        long size = stat.isBlockDevice() ? FileIo.blockDeviceSize(file) : stat.size();
        if (size == 0 || size % SECTOR_BYTES != 0) {
            throw new ErrnoException(
                    EINVAL,
                    "open " + path + ": its size of " + size + " bytes is no multiple of " + SECTOR_BYTES + " above 0");
        }
        return size;
    }

    private static boolean isUringOffered() {
        try {
            probeUring();
            return true;
        } catch (ErrnoException e) {
            System.getLogger(FileBackend.class.getName())
                    .log(System.Logger.Level.DEBUG, "io_uring is not offered: {0}", e.getMessage());
            return false;
        }
    }

    private static void probeUring() {
        IoUring.create(1).close();
    }
}
