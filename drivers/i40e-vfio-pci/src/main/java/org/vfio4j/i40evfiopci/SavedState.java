package org.vfio4j.i40evfiopci;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** The state of a function on its way out. Belongs to the user's thread. */
final class SavedState implements VfioMigrationStream {

    private final byte[] bytes;
    private int position;

    SavedState(byte[] bytes) {
        this.bytes = bytes;
    }

    int remaining() {
        return bytes.length - position;
    }

    @Override
    public int read(MemorySegment buffer, long at, int count) {
        int piece = Math.min(count, remaining());
        MemorySegment.copy(bytes, position, buffer, JAVA_BYTE, at, piece);
        position += piece;
        return piece;
    }

    @Override
    public void write(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "write migration data while it is read");
    }

    @Override
    public VfioPrecopyInfo precopyInfo() {
        throw new ErrnoException(EINVAL, "this device has no PRE_COPY");
    }

    @Override
    public void close() {}
}
