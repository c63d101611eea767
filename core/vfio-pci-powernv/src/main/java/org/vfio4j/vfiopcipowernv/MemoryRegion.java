package org.vfio4j.vfiopcipowernv;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionMemory;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;

/** A region that is memory. Used by the user's thread. */
record MemoryRegion(NvLink2Memory content, List<VfioInfoCapability> capabilities) implements VfioPciRegionOps {

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        content.read(offset, buffer, at, count);
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        content.write(offset, buffer, at, count);
    }

    @Override
    public Optional<VfioRegionMemory> memory() {
        return content.memory();
    }
}
