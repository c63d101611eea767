package org.vfio4j.vfio;

import java.util.Optional;
import org.vfio4j.sys.Mapping;

/**
 * One map of an IO address space and what it owns.
 *
 * @param iova first byte, unsigned
 * @param sizeBytes bytes, greater than 0
 * @param access {@code DmaSpace.READ}, {@code DmaSpace.WRITE} or both
 * @param mapping the memory, when it is mapped into this process
 * @param backing the way to the memory, when it is not
 */
record DmaMap(long iova, long sizeBytes, int access, Optional<Mapping> mapping, Optional<DmaBacking> backing)
        implements AutoCloseable {

    /** The last byte, unsigned: the end of a map may be the end of the address space. */
    long last() {
        return iova + sizeBytes - 1;
    }

    /** Releases the memory. No window may be using the map. */
    @Override
    public void close() {
        mapping.ifPresent(Mapping::close);
        backing.ifPresent(DmaBacking::close);
    }
}
