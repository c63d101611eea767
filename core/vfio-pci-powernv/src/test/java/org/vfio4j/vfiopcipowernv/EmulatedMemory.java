package org.vfio4j.vfiopcipowernv;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Mapping.PROT_READ;
import static org.vfio4j.sys.Mapping.PROT_WRITE;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.vfio.VfioRegionMemory;

/** Memory of a machine that is emulated: anonymous, with a descriptor. */
final class EmulatedMemory implements NvLink2Memory, AutoCloseable {

    private final Fd fd;
    private final Mapping mapping;

    EmulatedMemory(long sizeBytes) {
        fd = MemFd.create("nvlink2", sizeBytes);
        mapping = Mapping.shared(fd, 0, sizeBytes, PROT_READ | PROT_WRITE);
    }

    MemorySegment bytes() {
        return mapping.segment();
    }

    @Override
    public long sizeBytes() {
        return mapping.size();
    }

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        MemorySegment.copy(bytes(), JAVA_BYTE, offset, buffer, JAVA_BYTE, at, count);
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        MemorySegment.copy(buffer, JAVA_BYTE, at, bytes(), JAVA_BYTE, offset, count);
    }

    @Override
    public Optional<VfioRegionMemory> memory() {
        return Optional.of(new VfioRegionMemory(fd, 0));
    }

    @Override
    public void close() {
        mapping.close();
        fd.close();
    }
}
