package org.vfio4j.i40evfiopci;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** The state of a function on its way in, kept until all of it is there. Belongs to the user's thread. */
final class IncomingState implements VfioMigrationStream {

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    boolean isEmpty() {
        return bytes.size() == 0;
    }

    byte[] bytes() {
        return bytes.toByteArray();
    }

    @Override
    public int read(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "read migration data while it is written");
    }

    @Override
    public void write(MemorySegment buffer, long at, int count) {
        if (count > StateStream.MAX_BYTES - bytes.size()) {
            throw new ErrnoException(
                    EINVAL,
                    "migration data: " + (bytes.size() + (long) count) + " bytes, the limit is "
                            + StateStream.MAX_BYTES);
        }
        bytes.writeBytes(buffer.asSlice(at, count).toArray(JAVA_BYTE));
    }

    @Override
    public VfioPrecopyInfo precopyInfo() {
        throw new ErrnoException(EINVAL, "this device has no PRE_COPY");
    }

    @Override
    public void close() {}
}
