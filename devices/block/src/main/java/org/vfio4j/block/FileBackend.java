package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EISDIR;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.sys.Errno.EROFS;

import java.nio.file.Path;
import java.util.function.IntFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.IoUring;

/**
 * A regular file or a block device. It is opened as it is: never created, and resized by {@link #grow} alone. A writable one is locked against a
 * second server, a read-only one against writers, with flock(2).
 */
public final class FileBackend implements BlockBackend {

    private final FileTarget target;
    private final int physicalBlockBytes;
    private final FileIoMode mode;
    private final IntFunction<IoUring> rings;
    private volatile boolean uring;
    private volatile boolean claimed;
    private volatile boolean pins;

    private FileBackend(FileTarget target, FileStat stat, FileIoMode mode, IntFunction<IoUring> rings) {
        this.target = target;
        this.mode = mode;
        this.rings = rings;
        physicalBlockBytes = Math.max(SECTOR_BYTES, Integer.highestOneBit(Math.min(stat.blockSize(), 4096)));
        uring = switch (mode) {
            case AUTO -> isUringOffered();
            case URING -> {
                probeUring();
                yield true;
            }
            case IOPOLL -> {
                probeUring();
                FilePolling.check(target, stat);
                yield true;
            }
            case SYNC -> false;
        };
    }

    /** As {@link #open(Path, boolean, FileIoMode, FileCaching)}, by way of the page cache. */
    public static FileBackend open(Path path, boolean readOnly, FileIoMode mode) {
        return open(path, readOnly, mode, FileCaching.PAGE_CACHE);
    }

    /**
     * Opens a file.
     *
     * @throws ErrnoException ENOENT, EACCES, EROFS as open(2); EISDIR; EINVAL when it is neither a regular file nor a block
     *     device, when its size is 0 or no multiple of {@link #SECTOR_BYTES}, or when its file system has no {@link
     *     FileCaching#DIRECT}; EBUSY when another server has it; ENOSYS or EPERM when {@link FileIoMode#URING} is wanted and
     *     not offered; EINVAL when {@link FileIoMode#IOPOLL} is wanted without {@link FileCaching#DIRECT}, EOPNOTSUPP when the file
     *     system or the device does not poll
     */
    public static FileBackend open(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
        FileBackend backend = openUnclaimed(path, readOnly, mode, caching);
        try {
            backend.claim();
            return backend;
        } catch (ErrnoException e) {
            backend.close();
            throw e;
        }
    }

    /** Opens a file that another server may still have, to {@link #claim} it later. */
    public static FileBackend openUnclaimed(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
        return open(path, readOnly, mode, caching, IoUring::create);
    }

    /** @param rings makes a ring of so many entries for the calling thread */
    static FileBackend open(
            Path path, boolean readOnly, FileIoMode mode, FileCaching caching, IntFunction<IoUring> rings) {
        // Without O_NONBLOCK the opening of a pipe would wait.
        Fd file = FileIo.open(path, access(readOnly) | FileIo.O_NONBLOCK);
        Fd direct = null;
        try {
            // With it io_uring answers EAGAIN where it should wait for the file system.
            file.setNonBlocking(false);
            FileStat stat = FileStat.of(file);
            long sizeBytes = checkedSize(path, file, stat);
            if (stat.isBlockDevice() && !readOnly) {
                claim(path, file);
            }
            direct = caching == FileCaching.DIRECT ? openDirect(path, file, readOnly) : null;
            return new FileBackend(new FileTarget(path, file, direct, readOnly, stat, sizeBytes), stat, mode, rings);
        } catch (ErrnoException e) {
            file.close();
            if (direct != null) {
                direct.close();
            }
            throw e;
        }
    }

    /**
     * Lets queues that are opened from now on register the memory that requests use with io_uring ({@link BlockQueue#use}), which spares
     * finding its pages each time. The memory is allocated and pinned, once for each queue. Only for memory of which its owner gives nothing
     * back while it is mapped: what is punched out of it is not what the storage reads and writes any more.
     *
     * @throws ErrnoException EINVAL with {@link FileIoMode#SYNC}
     */
    public void pinMemory() {
        if (mode == FileIoMode.SYNC) {
            throw new ErrnoException(EINVAL, "pin memory for " + target.path + ", which is used without io_uring");
        }
        pins = true;
        if (!uring) {
            target.pins.refused(ENOSYS);
        }
    }

    @Override
    public long sizeBytes() {
        return target.sizeBytes();
    }

    @Override
    public int physicalBlockBytes() {
        return physicalBlockBytes;
    }

    @Override
    public boolean readOnly() {
        return target.readOnly;
    }

    /** A regular file is made larger, unless somebody has done that already; a block device must have grown before. */
    @Override
    public void grow(long sizeBytes) {
        target.grow(sizeBytes);
    }

    @Override
    public String describe() {
        String polled = mode == FileIoMode.IOPOLL ? ", polled" : "";
        String pinned = pins ? ", " + target.pins.describe() : "";
        return "file " + target.path + (uring ? " (io_uring" : " (preadv") + polled + pinned
                + (target.isDirect() ? ", direct)" : ")");
    }

    /** {@inheritDoc} Claims the file, if nobody has yet: to use it is to claim it. */
    @Override
    public BlockQueue openQueue(int depth) {
        claim();
        if (uring) {
            try {
                return openUring(depth);
            } catch (ErrnoException e) {
                if (mode != FileIoMode.AUTO) {
                    throw e;
                }
                // What the kernel gives has limits, of which another process may have taken its part since the first
                // one.
                System.getLogger(FileBackend.class.getName())
                        .log(System.Logger.Level.WARNING, "{0} by preadv: {1}", target.path, e.getMessage());
                uring = false;
            }
        }
        return new SyncQueue(target, depth);
    }

    private UringQueue openUring(int depth) {
        IoUring ring = rings.apply(depth);
        IoUring polled = null;
        if (mode == FileIoMode.IOPOLL) {
            try {
                polled = IoUring.createPolled(depth);
            } catch (ErrnoException e) {
                ring.close();
                throw e;
            }
        }
        return new UringQueue(target, ring, polled, pins, depth);
    }

    @Override
    public void claim() {
        int locked = FileIo.flock(target.file, (readOnly() ? FileIo.LOCK_SH : FileIo.LOCK_EX) | FileIo.LOCK_NB);
        if (locked == -EAGAIN) {
            throw new ErrnoException(EBUSY, "lock " + target.path + ", which another server has");
        }
        ErrnoException.check(locked, "lock " + target.path);
        claimed = true;
    }

    @Override
    public boolean isClaimed() {
        return claimed;
    }

    @Override
    public void release() {
        claimed = false;
        ErrnoException.check(FileIo.flock(target.file, FileIo.LOCK_UN), "unlock " + target.path);
    }

    @Override
    public Fd openData(boolean writable) {
        if (writable && readOnly()) {
            throw new ErrnoException(EROFS, "overwrite " + target.path);
        }
        // Another open file, whose end leaves the lock of this one alone.
        return FileIo.open(Path.of("/proc/self/fd/" + target.file.value()), access(!writable));
    }

    @Override
    public void close() {
        target.close();
    }

    boolean takesDirectly(long offset, long iov, int iovCount) {
        return target.takesDirectly(offset, iov, iovCount);
    }

    private static int access(boolean readOnly) {
        return readOnly ? FileIo.O_RDONLY : FileIo.O_RDWR;
    }

    /** The same file again, whatever its path names now. */
    private static Fd openDirect(Path path, Fd file, boolean readOnly) {
        try {
            return FileIo.open(Path.of("/proc/self/fd/" + file.value()), access(readOnly) | FileIo.O_DIRECT);
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "open " + path + " with O_DIRECT, which its file system may not have");
        }
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

    private boolean isUringOffered() {
        try {
            probeUring();
            return true;
        } catch (ErrnoException e) {
            System.getLogger(FileBackend.class.getName())
                    .log(System.Logger.Level.DEBUG, "io_uring is not offered: {0}", e.getMessage());
            return false;
        }
    }

    private void probeUring() {
        rings.apply(1).close();
    }
}
