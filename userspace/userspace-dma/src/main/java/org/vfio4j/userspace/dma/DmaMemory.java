package org.vfio4j.userspace.dma;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMEM;

import java.lang.foreign.MemorySegment;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.sys.Seals;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * Memory that a driver and its device share: one range of IOVAs, handed out in pieces that live as long as the driver. It cannot
 * shrink, and is sealed so that the device's side can see that. Places in it are offsets from its start.
 *
 * <p>Pieces are handed out by one thread; what is in them belongs to whoever has them.
 */
public final class DmaMemory {

    /** What address and size of a mapping are multiples of: some devices skip memory that is not made of such pages. */
    public static final long ALIGNMENT = 2L << 20;

    private static final long PAGE = 4096;

    private final long iova;
    private final long address;
    private final long size;
    private long free;

    private DmaMemory(long iova, long address, long size) {
        this.iova = iova;
        this.address = address;
        this.size = size;
    }

    /**
     * Makes at least {@code sizeBytes} bytes of zeroes and maps them for the device of {@code file} at {@code iova}.
     *
     * @param name what /proc shows
     * @param iova a multiple of {@link #ALIGNMENT}
     * @throws ErrnoException what {@code file} says, and ENOMEM
     */
    public static Mapped map(VfioDeviceFile file, String name, long iova, long sizeBytes) {
        long size = roundUp(sizeBytes, ALIGNMENT);
        try (Fd fd = MemFd.create(name, size)) {
            Seals.add(fd, Seals.F_SEAL_SHRINK | Seals.F_SEAL_GROW | Seals.F_SEAL_SEAL);
            Mapping mapping = Mapping.shared(fd, 0, size, Mapping.PROT_READ | Mapping.PROT_WRITE);
            try {
                file.dmaMap(iova, size, DmaSpace.READ | DmaSpace.WRITE, fd, 0);
            } catch (RuntimeException e) {
                mapping.close();
                throw e;
            }
            return new Mapped(file, mapping, new DmaMemory(iova, mapping.address(), size));
        }
    }

    /**
     * Memory that its owner has mapped for the device already, and keeps mapped as long as it is in use: a hypervisor's, that a driver
     * gets part of.
     *
     * @param iova where the device sees it
     * @param memory where this process sees it; it begins at a multiple of 4096
     */
    public static DmaMemory of(long iova, MemorySegment memory) {
        if (!memory.isNative() || ((iova | memory.address()) & (PAGE - 1)) != 0) {
            throw new ErrnoException(EINVAL, "DMA memory at iova 0x" + Long.toHexString(iova) + ": no whole pages");
        }
        return new DmaMemory(iova, memory.address(), memory.byteSize());
    }

    /** The whole of a mapping, and its owner. */
    public record Mapped(VfioDeviceFile file, Mapping mapping, DmaMemory memory) implements AutoCloseable {

        /** Takes it from the device and gives it back. */
        @Override
        public void close() {
            try {
                file.dmaUnmap(memory.iova, memory.size);
            } finally {
                mapping.close();
            }
        }
    }

    public long sizeBytes() {
        return size;
    }

    /**
     * Hands out a piece of zeroes.
     *
     * @param alignment a power of two
     * @return its offset
     * @throws ErrnoException ENOMEM when no more is left
     */
    public long allocate(long sizeBytes, long alignment) {
        long at = roundUp(free, alignment);
        if (sizeBytes < 0 || sizeBytes > size - at) {
            throw new ErrnoException(
                    ENOMEM,
                    "allocate " + sizeBytes + " bytes of DMA memory: " + (size - free) + " of " + size + " left");
        }
        free = at + sizeBytes;
        return at;
    }

    /** How much has been handed out, gaps included. */
    public long allocatedBytes() {
        return free;
    }

    /** A view of a piece. It must not be used any more once the driver is closed. */
    public MemorySegment segment(long offset, long sizeBytes) {
        if (!contains(offset, sizeBytes)) {
            throw new IndexOutOfBoundsException(
                    sizeBytes + " bytes at " + offset + " of " + size + " bytes of DMA memory");
        }
        // SAFETY: inside the mapping, which lives as long as the driver.
        return RawMemory.segment(address + offset, sizeBytes);
    }

    /** What is left of it, as a memory of its own. */
    public DmaMemory rest() {
        long at = allocate(0, PAGE);
        free = size;
        return new DmaMemory(iova + at, address + at, size - at);
    }

    /** Where the device sees it. */
    public long iova(long offset) {
        return iova + offset;
    }

    /** Where this process sees it. */
    public long address(long offset) {
        return address + offset;
    }

    /** Whether all of a range is in it. */
    public boolean contains(long offset, long sizeBytes) {
        return (offset | sizeBytes) >= 0 && sizeBytes <= size - offset;
    }

    private static long roundUp(long value, long alignment) {
        return (value + alignment - 1) & -alignment;
    }
}
