package org.vfio4j.vfiopcicore;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;

/**
 * Sees the accesses of users to a trapped range before anybody else. An {@link ErrnoException} that it throws goes to the user,
 * and nobody else sees the access. The user's thread calls; what it calls allocates nothing if accesses shall not.
 */
public interface VfioPciTrapHandler {

    /**
     * A user reads.
     *
     * @param offset counted from the region's first byte, of any alignment
     * @param buffer takes the answer from byte {@code at} on
     * @param count bytes, all of them inside the trapped range
     * @return whether it has answered; otherwise the device does
     */
    default boolean read(long offset, MemorySegment buffer, long at, int count) {
        return false;
    }

    /**
     * A user writes {@code count} bytes of {@code buffer} from byte {@code at} on; otherwise as {@link #read}.
     *
     * @return whether that is all; otherwise the write goes on to the device
     */
    default boolean write(long offset, MemorySegment buffer, long at, int count) {
        return false;
    }
}
