package org.vfio4j.vfiopcicore;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionMemory;

/** A region of plain bytes that can be told to hand out memory and capabilities. */
final class MemoryRegion implements VfioPciRegionOps {

    final byte[] bytes;
    Optional<VfioRegionMemory> memory = Optional.empty();
    List<VfioInfoCapability> capabilities = List.of();
    int released;

    MemoryRegion(int sizeBytes) {
        bytes = new byte[sizeBytes];
    }

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        MemorySegment.copy(MemorySegment.ofArray(bytes), offset, buffer, at, count);
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        MemorySegment.copy(buffer, at, MemorySegment.ofArray(bytes), offset, count);
    }

    @Override
    public Optional<VfioRegionMemory> memory() {
        return memory;
    }

    @Override
    public List<VfioInfoCapability> capabilities() {
        return capabilities;
    }

    @Override
    public void release() {
        released++;
    }
}
