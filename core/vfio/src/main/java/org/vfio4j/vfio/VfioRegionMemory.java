package org.vfio4j.vfio;

import org.vfio4j.sys.Fd;

/**
 * Memory behind a region that a user may map: one descriptor for all areas of it.
 *
 * @param fd the memory; whoever hands it out keeps it, and it is good for as long as the device is open
 * @param offset where in the descriptor the region's first byte is, a multiple of the page size
 * @param permanent whether it is as large as the region whatever anybody does while the device is open, as hardware's is. Any other
 *     can shrink, which ends whoever has it mapped, unless it is sealed or its owner is trusted
 */
public record VfioRegionMemory(Fd fd, long offset, boolean permanent) {

    /** Of a file. */
    public VfioRegionMemory(Fd fd, long offset) {
        this(fd, offset, false);
    }
}
