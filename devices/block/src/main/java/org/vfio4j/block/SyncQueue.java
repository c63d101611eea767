package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EROFS;

import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** A file's queue without io_uring: each request is done when its method returns. */
final class SyncQueue implements BlockQueue {

    // The C library's limit on one call, UIO_MAXIOV.
    private static final int MAX_IOVS = 1024;

    private final FileTarget target;
    private final Fd file;
    private final boolean readOnly;
    private final Completions completions;

    SyncQueue(FileTarget target, int depth) {
        this.target = target;
        file = target.file;
        readOnly = target.readOnly;
        completions = new Completions(depth);
    }

    @Override
    public void readv(long offset, long iov, int iovCount, int tag) {
        completions.add(tag, transfer(false, offset, iov, iovCount));
    }

    @Override
    public void writev(long offset, long iov, int iovCount, int tag) {
        completions.add(tag, readOnly ? -EROFS : transfer(true, offset, iov, iovCount));
    }

    @Override
    public void flush(int tag) {
        int lost = readOnly ? 0 : target.lost.error();
        completions.add(tag, readOnly || lost != 0 ? lost : target.lost.flushed(FileIo.fdatasync(file.value())));
    }

    @Override
    public void discard(long offset, long length, int tag) {
        int result = check(offset, length);
        if (result == 0 && length > 0) {
            result = FileZeroes.discarded(FileIo.fallocate(file.value(), FileZeroes.DISCARD, offset, length));
        }
        completions.add(tag, result);
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
        int result = check(offset, length);
        if (result == 0 && length > 0) {
            result = FileIo.fallocate(file.value(), FileZeroes.mode(mayUnmap), offset, length);
            if (result == -EOPNOTSUPP) {
                target.lost.cached();
                result = FileZeroes.write(file, offset, length);
            }
        }
        completions.add(tag, result);
    }

    @Override
    public void submit() {}

    @Override
    public int poll(BlockCompletion handler) {
        return completions.deliver(handler);
    }

    @Override
    public int inFlight() {
        return completions.size();
    }

    @Override
    public void wakeBy(Fd eventFd) {}

    @Override
    public void arm() {}

    @Override
    public void disarm() {}

    @Override
    public void close() {}

    private int check(long offset, long length) {
        if (readOnly) {
            return -EROFS;
        }
        return Range.isLegalWithoutData(offset, length, target.sizeBytes()) ? 0 : -EINVAL;
    }

    private int transfer(boolean write, long offset, long iov, int iovCount) {
        long length = IoVecs.total(iov, iovCount);
        if (!Range.isLegal(offset, length, target.sizeBytes())) {
            return -EINVAL;
        }
        int cached = file.value();
        int fd = target.takesDirectly(offset, iov, iovCount)
                ? target.directOrFile().value()
                : cached;
        long done = 0;
        int first = 0;
        while (done < length) {
            long at = iov + first * IoVecs.SIZEOF;
            int count = Math.min(iovCount - first, MAX_IOVS);
            if (write && fd == cached) {
                target.lost.cached();
            }
            long moved =
                    write ? FileIo.pwritev(fd, at, count, offset + done) : FileIo.preadv(fd, at, count, offset + done);
            if (moved == -EINVAL && fd != cached) {
                fd = cached; // a rule of alignment that the file system did not tell
                continue;
            }
            if (moved <= 0) {
                // Nothing moved: the file was made shorter than it was when it was opened.
                return moved == 0 ? -EIO : (int) moved;
            }
            done += moved;
            if (done < length) {
                first = IoVecs.advance(iov, first, moved);
                fd = cached; // the rest may be aligned to nothing
            }
        }
        return (int) length;
    }
}
