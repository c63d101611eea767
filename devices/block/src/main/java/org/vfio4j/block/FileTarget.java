package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EROFS;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;

/**
 * What all queues of a file share: its descriptors and its size. Any thread; the size is all that changes.
 *
 * <p>A file that is used directly has a second descriptor, with O_DIRECT. A request goes there when the file's rules of alignment
 * let it, and otherwise through the page cache, with which the kernel keeps direct accesses coherent.
 */
final class FileTarget implements AutoCloseable {

    /** The rules of a file system that does not tell them. */
    private static final int CAUTIOUS_ALIGN = 4096;

    final Path path;
    final Fd file;
    final boolean readOnly;

    final LostWrites lost;

    /** What queues have pinned. */
    final Pins pins;

    /** Whether io_uring's first try, which must not wait, makes sense. */
    final boolean takesNoWait;

    private final boolean blockDevice;
    private final @Nullable Fd direct;
    private final int memoryAlign;
    private final int offsetAlign;
    private volatile long sizeBytes;

    /** @param direct with O_DIRECT, if it is used so; both descriptors are closed with this */
    FileTarget(Path path, Fd file, @Nullable Fd direct, boolean readOnly, FileStat stat, long sizeBytes) {
        this.path = path;
        lost = new LostWrites(path);
        pins = new Pins(path);
        this.file = file;
        this.direct = direct;
        this.readOnly = readOnly;
        this.sizeBytes = sizeBytes;
        takesNoWait = FileIo.takesNoWait(file);
        blockDevice = stat.isBlockDevice();
        boolean told = stat.dioMemoryAlign() > 0 && stat.dioOffsetAlign() > 0;
        memoryAlign = told ? stat.dioMemoryAlign() : CAUTIOUS_ALIGN;
        offsetAlign = told ? stat.dioOffsetAlign() : CAUTIOUS_ALIGN;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    boolean isDirect() {
        return direct != null;
    }

    /** The descriptor of direct accesses, or the only one. */
    Fd directOrFile() {
        Fd fd = direct;
        return fd == null ? file : fd;
    }

    /** What is aligned to this, memory and place, goes past the page cache. */
    int directAlign() {
        return Math.max(memoryAlign, offsetAlign);
    }

    /** Whether a transfer may go past the page cache: whether every piece of it begins and ends where the file wants that. */
    boolean takesDirectly(long offset, long iov, int iovCount) {
        if (direct == null || (offset & offsetAlign - 1L) != 0) {
            return false;
        }
        long bases = 0;
        long lengths = 0;
        for (int i = 0; i < iovCount; i++) {
            bases |= IoVecs.base(iov, i);
            lengths |= IoVecs.length(iov, i);
        }
        return (bases & memoryAlign - 1L) == 0 && (lengths & (memoryAlign | offsetAlign) - 1L) == 0;
    }

    /** As {@link BlockBackend#grow}: a file that has grown already stays as it is. */
    synchronized void grow(long wanted) {
        String what = "resize " + path + " from " + sizeBytes + " to " + wanted + " bytes";
        if (wanted < sizeBytes || wanted % BlockBackend.SECTOR_BYTES != 0) {
            throw new ErrnoException(
                    EINVAL, what + ": expected a multiple of " + BlockBackend.SECTOR_BYTES + ", no less than now");
        }
        long present =
                blockDevice ? FileIo.blockDeviceSize(file) : FileStat.of(file).size();
        if (wanted > present) {
            if (blockDevice) {
                throw new ErrnoException(EINVAL, what + ": the block device has " + present);
            }
            if (readOnly) {
                throw new ErrnoException(EROFS, what + ": the file has " + present);
            }
            FileIo.truncate(file, wanted);
        }
        sizeBytes = wanted;
    }

    @Override
    public void close() {
        file.close();
        Fd second = direct;
        if (second != null) {
            second.close();
        }
    }
}
