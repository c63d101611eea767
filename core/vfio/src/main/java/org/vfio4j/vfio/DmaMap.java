package org.vfio4j.vfio;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;

/** One map of an IO address space and what it owns: memory that is mapped into this process, or the way to memory that is not. */
final class DmaMap implements DmaTree.Entry, AutoCloseable {

    /** Less than this is not what storage keeps registered: the maps of a guest's IOMMU come and go, and are pages. */
    private static final long LARGE_BYTES = 2L << 20;

    private static final int READ_WRITE = DmaSpace.READ | DmaSpace.WRITE;

    /** First byte, unsigned. */
    final long iova;

    /** Bytes, greater than 0 in a map that a space has taken. */
    final long sizeBytes;

    /** {@code DmaSpace.READ}, {@code DmaSpace.WRITE} or both. */
    final int access;

    /** Address in this process of the first byte; 0 when the memory is reached through {@link #backing}. */
    final long host;

    final @Nullable DmaBacking backing;

    private final @Nullable Mapping mapping;

    DmaMap(long iova, int access, Mapping mapping) {
        this.iova = iova;
        this.sizeBytes = mapping.size();
        this.access = access;
        this.host = mapping.address();
        this.backing = null;
        this.mapping = mapping;
    }

    DmaMap(long iova, long sizeBytes, int access, DmaBacking backing) {
        this.iova = iova;
        this.sizeBytes = sizeBytes;
        this.access = access;
        this.host = 0;
        this.backing = backing;
        this.mapping = null;
    }

    /** The last byte, unsigned: the end of a map may be the end of the address space. */
    long last() {
        return iova + sizeBytes - 1;
    }

    boolean contains(long address) {
        return Long.compareUnsigned(address - iova, sizeBytes) < 0;
    }

    /** {@code large} with this map's memory, if it is mapped, large, and may be read and written. */
    MappingSet addTo(MappingSet large) {
        return mapping != null && sizeBytes >= LARGE_BYTES && access == READ_WRITE ? large.plus(mapping) : large;
    }

    /** {@code large} without this map's memory. */
    MappingSet removeFrom(MappingSet large) {
        return mapping == null ? large : large.minus(mapping);
    }

    /** Releases the memory. No window may be using the map. */
    @Override
    public void close() {
        if (mapping != null) {
            mapping.close();
        }
        if (backing != null) {
            backing.close();
        }
    }

    @Override
    public String toString() {
        return "iova 0x" + Long.toHexString(iova) + " size 0x" + Long.toHexString(sizeBytes);
    }
}
