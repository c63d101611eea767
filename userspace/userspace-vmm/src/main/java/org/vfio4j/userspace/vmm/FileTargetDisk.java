package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** A disk's storage as an open file, which nobody else writes. What is zero takes no room where the file can have holes. */
public final class FileTargetDisk implements TargetDisk {

    private static final long ZERO_BYTES = 1L << 20;
    private static final MemorySegment ZEROES = Arena.global().allocate(ZERO_BYTES, Long.BYTES);

    private final Fd file;
    private final long sizeBytes;

    /** @param file the caller's */
    public FileTargetDisk(Fd file, long sizeBytes) {
        this.file = file;
        this.sizeBytes = sizeBytes;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public void write(long offset, MemorySegment from) {
        for (long at = 0; at < from.byteSize(); ) {
            long count = FileIo.pwrite(file.value(), from.address() + at, from.byteSize() - at, offset + at);
            if (count != -EINTR) {
                at += ErrnoException.check(
                        count, "migration: write " + from.byteSize() + " bytes of a disk at " + offset);
            }
        }
    }

    @Override
    public void zero(long offset, long length) {
        int mode = FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE;
        int result = FileIo.fallocate(file.value(), mode, offset, length);
        if (result != -EOPNOTSUPP) {
            ErrnoException.check(result, "migration: make zeroes of " + length + " bytes of a disk at " + offset);
            return;
        }
        for (long at = 0; at < length; at += ZERO_BYTES) {
            write(offset + at, ZEROES.asSlice(0, Math.min(ZERO_BYTES, length - at)));
        }
    }

    @Override
    public void sync() {
        ErrnoException.check(FileIo.fdatasync(file.value()), "migration: make a disk stable");
    }
}
