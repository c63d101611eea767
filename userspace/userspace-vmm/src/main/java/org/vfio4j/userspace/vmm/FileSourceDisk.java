package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EIO;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** A disk's storage as an open file, which somebody else writes and notes what he has written. */
public final class FileSourceDisk implements SourceDisk {

    private final Fd file;
    private final long sizeBytes;
    private final int blockBytes;
    private final Consumer<IntConsumer> written;

    /**
     * @param file the caller's
     * @param written does what {@link #takeWritten} does
     */
    public FileSourceDisk(Fd file, long sizeBytes, int blockBytes, Consumer<IntConsumer> written) {
        this.file = file;
        this.sizeBytes = sizeBytes;
        this.blockBytes = blockBytes;
        this.written = written;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public void takeWritten(IntConsumer block) {
        written.accept(block);
    }

    @Override
    public void read(long offset, MemorySegment into) {
        for (long at = 0; at < into.byteSize(); ) {
            long count = FileIo.pread(file.value(), into.address() + at, into.byteSize() - at, offset + at);
            if (count == 0) {
                throw new ErrnoException(
                        EIO, "migration: read a disk of " + sizeBytes + " bytes, which ends at " + (offset + at));
            }
            if (count != -EINTR) {
                at += ErrnoException.check(
                        count, "migration: read " + into.byteSize() + " bytes of a disk at " + offset);
            }
        }
    }
}
