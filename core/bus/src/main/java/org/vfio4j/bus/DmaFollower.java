package org.vfio4j.bus;

import java.util.Optional;

/**
 * Who has to have the same memory at the same addresses as a {@link DmaSpace}: a function that masters memory by itself, behind an IOMMU
 * which has to be told, and not through {@link DmaWindow}s. The thread that changes the space calls, one at a time. It may wait: what is
 * mapped is perhaps brought into memory first.
 */
public interface DmaFollower {

    /**
     * There will be a map, unless this fails: then its user gets the failure, and there is nothing of it.
     *
     * @param iova first byte, unsigned; the range overlaps no other
     * @param access {@link DmaSpace#READ}, {@link DmaSpace#WRITE} or both
     * @param memory what it is of; empty for memory that has no descriptor
     * @throws org.vfio4j.sys.ErrnoException when it cannot be
     */
    void map(long iova, long sizeBytes, int access, Optional<DmaMemory> memory);

    /**
     * Ends what one {@link #map} began: when this returns nobody reaches the memory through this follower any more.
     *
     * @throws org.vfio4j.sys.ErrnoException when that cannot be ended; the space gives the memory up all the same
     */
    void unmap(long iova, long sizeBytes);
}
