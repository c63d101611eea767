package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * The open device of a {@link LinuxPciFunction}, for several threads: a function's user, whoever shows its configuration space, and
 * whoever changes its memory. One call at a time; accesses allocate nothing.
 */
final class FunctionFile implements AutoCloseable {

    private final VfioDeviceFile file;
    private final MemorySegment value = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);

    /** @param file owned from now on */
    FunctionFile(VfioDeviceFile file) {
        this.file = file;
    }

    /** Reads 1, 2, 4 or 8 bytes of a region as one access: a little-endian number, zero-extended. */
    synchronized long read(int region, long offset, int width) {
        file.read(region, offset, value, 0, width);
        return switch (width) {
            case 1 -> value.get(JAVA_BYTE, 0) & 0xff;
            case 2 -> value.get(JAVA_SHORT, 0) & 0xffff;
            case 4 -> Integer.toUnsignedLong(value.get(JAVA_INT, 0));
            default -> value.get(JAVA_LONG, 0);
        };
    }

    /** Writes; otherwise as {@link #read}. */
    synchronized void write(int region, long offset, int width, long number) {
        value.set(JAVA_LONG, 0, number);
        file.write(region, offset, value, 0, width);
    }

    synchronized void setIrqs(VfioIrqSet set) {
        file.setIrqs(set);
    }

    synchronized void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset) {
        file.dmaMap(iova, sizeBytes, access, memory, offset);
    }

    synchronized void dmaUnmap(long iova, long sizeBytes) {
        file.dmaUnmap(iova, sizeBytes);
    }

    /** Whatever is left of maps. */
    synchronized void dmaUnmapAll() {
        file.dmaUnmapAll();
    }

    synchronized void reset() {
        file.reset();
    }

    @Override
    public synchronized void close() {
        file.close();
    }
}
