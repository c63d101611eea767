package org.vfio4j.vfio;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * The state of a device on its way out of it or into it: what the kernel's {@code data_fd} is. It goes one way. The user's
 * thread calls; VFIO closes it when the device leaves the states that it belongs to.
 */
public interface VfioMigrationStream extends AutoCloseable {

    /**
     * Reads the next bytes of the device's state into {@code buffer} from byte {@code at} on.
     *
     * @param count how many there is room for, greater than 0
     * @return how many were read; 0 at the end of the stream
     * @throws ErrnoException ENOMSG in PRE_COPY when there is nothing now, EINVAL for a stream that is written
     */
    int read(MemorySegment buffer, long at, int count);

    /**
     * Takes the next bytes of a device's state, in pieces of any size.
     *
     * @throws ErrnoException EINVAL for a stream that is read, or for data that this device cannot take: the message says why
     */
    void write(MemorySegment buffer, long at, int count);

    /**
     * What is left to read in PRE_COPY.
     *
     * @throws ErrnoException EINVAL for a stream that is written
     */
    VfioPrecopyInfo precopyInfo();

    /** The device has left the states that the stream belongs to. */
    @Override
    void close();
}
