package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.uapi.Vfio.VFIO_DMA_MAP_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_DMA_MAP_FLAG_WRITE;
import static org.vfio4j.uapi.Vfio.VFIO_DMA_UNMAP_FLAG_ALL;
import static org.vfio4j.uapi.VfioIoctl.VFIO_CHECK_EXTENSION;
import static org.vfio4j.uapi.VfioIoctl.VFIO_GET_API_VERSION;
import static org.vfio4j.uapi.VfioIoctl.VFIO_IOMMU_MAP_DMA;
import static org.vfio4j.uapi.VfioIoctl.VFIO_IOMMU_UNMAP_DMA;
import static org.vfio4j.uapi.VfioIoctl.VFIO_SET_IOMMU;
import static org.vfio4j.uapi.VfioKernel.VFIO_API_VERSION;
import static org.vfio4j.uapi.VfioKernel.VFIO_TYPE1v2_IOMMU;
import static org.vfio4j.uapi.VfioKernel.VFIO_UNMAP_ALL;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.TreeMap;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.uapi.VfioKernel.DmaMap;
import org.vfio4j.uapi.VfioKernel.DmaUnmap;

/**
 * A container of the kernel's VFIO with the IOMMU of type1: an IO address space, whose memory the kernel pins. Belongs to the file's
 * user.
 */
final class Type1Container implements AutoCloseable {

    private final Fd fd;
    private final KernelCalls kernel;
    private final boolean unmapsAll;

    /** Sizes by IOVA. */
    private final TreeMap<Long, Long> maps = new TreeMap<>();

    Type1Container(Fd fd, KernelCalls kernel, boolean unmapsAll) {
        this.fd = fd;
        this.kernel = kernel;
        this.unmapsAll = unmapsAll;
    }

    /** @param device {@code /dev/vfio/vfio} */
    static Type1Container open(Path device) {
        Fd fd = FileIo.open(device, FileIo.O_RDWR);
        try {
            checkKernel(fd);
            return new Type1Container(fd, KernelCalls.of(fd), extension(fd, VFIO_UNMAP_ALL));
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private static void checkKernel(Fd fd) {
        int version = KernelCalls.call(fd, VFIO_GET_API_VERSION, 0);
        if (version != VFIO_API_VERSION) {
            throw new ErrnoException(
                    ENOTSUP, "the kernel's VFIO has API version " + version + " instead of " + VFIO_API_VERSION);
        }
        if (!extension(fd, VFIO_TYPE1v2_IOMMU)) {
            throw new ErrnoException(ENOTSUP, "the kernel's VFIO has no IOMMU of type1 (module vfio_iommu_type1)");
        }
    }

    /** Lets a group in, whose devices then see what is mapped. */
    void attach(VfioGroup group) {
        group.join(fd);
        KernelCalls.call(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
    }

    /**
     * Maps memory of a file. It is in this process's address space only while the kernel pins it, and nobody touches it there: what is
     * missing of it is an error of the call.
     */
    void map(long iova, long sizeBytes, int access, Fd memory, long offset) {
        checkMap(iova, sizeBytes, access, offset);
        boolean reads = (access & DmaSpace.READ) != 0;
        boolean writes = (access & DmaSpace.WRITE) != 0;
        int prot = (reads ? Mapping.PROT_READ : 0) | (writes ? Mapping.PROT_WRITE : 0);
        try (Mapping mapping = Mapping.shared(memory, offset, sizeBytes, prot);
                Arena arena = Arena.ofConfined()) {
            MemorySegment structure = arena.allocate(DmaMap.SIZEOF, Long.BYTES);
            structure.set(JAVA_INT, DmaMap.ARGSZ, DmaMap.SIZEOF);
            structure.set(
                    JAVA_INT,
                    DmaMap.FLAGS,
                    (reads ? VFIO_DMA_MAP_FLAG_READ : 0) | (writes ? VFIO_DMA_MAP_FLAG_WRITE : 0));
            structure.set(JAVA_LONG, DmaMap.VADDR, mapping.address());
            structure.set(JAVA_LONG, DmaMap.IOVA, iova);
            structure.set(JAVA_LONG, DmaMap.SIZE, sizeBytes);
            pin(structure, iova, sizeBytes);
        }
        maps.put(iova, sizeBytes);
    }

    private void pin(MemorySegment structure, long iova, long sizeBytes) {
        try {
            kernel.call(VFIO_IOMMU_MAP_DMA, structure);
        } catch (ErrnoException e) {
            throw Type1Refusals.explain(kernel, e, iova, sizeBytes, mappedBytes());
        }
    }

    void unmap(long iova, long sizeBytes) {
        Long mapped = maps.get(iova);
        if (mapped == null || mapped != sizeBytes) {
            throw new ErrnoException(ENOENT, "DMA unmap " + range(iova, sizeBytes) + ", which is no map");
        }
        long gone = unmap(0, iova, sizeBytes);
        maps.remove(iova);
        if (gone != sizeBytes) {
            throw new ErrnoException(
                    EIO, "DMA unmap " + range(iova, sizeBytes) + " unmapped 0x" + Long.toHexString(gone));
        }
    }

    void unmapAll() {
        if (unmapsAll) {
            unmap(VFIO_DMA_UNMAP_FLAG_ALL, 0, 0);
            maps.clear();
        } else {
            new TreeMap<>(maps).forEach(this::unmap);
        }
    }

    @Override
    public void close() {
        fd.close();
    }

    /** Returns how much was unmapped. */
    private long unmap(int flags, long iova, long sizeBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment structure = arena.allocate(DmaUnmap.SIZEOF, Long.BYTES);
            structure.set(JAVA_INT, DmaUnmap.ARGSZ, DmaUnmap.SIZEOF);
            structure.set(JAVA_INT, DmaUnmap.FLAGS, flags);
            structure.set(JAVA_LONG, DmaUnmap.IOVA, iova);
            structure.set(JAVA_LONG, DmaUnmap.SIZE, sizeBytes);
            kernel.call(VFIO_IOMMU_UNMAP_DMA, structure);
            return structure.get(JAVA_LONG, DmaUnmap.SIZE);
        }
    }

    private static boolean extension(Fd fd, int extension) {
        return KernelCalls.call(fd, VFIO_CHECK_EXTENSION, extension) > 0;
    }

    private long mappedBytes() {
        return maps.values().stream().mapToLong(Long::longValue).sum();
    }

    private static void checkMap(long iova, long sizeBytes, int access, long offset) {
        if (access == 0 || (access & ~(DmaSpace.READ | DmaSpace.WRITE)) != 0) {
            throw new ErrnoException(EINVAL, "DMA map with access " + access);
        }
        if (sizeBytes <= 0 || offset < 0 || ((iova | sizeBytes | offset) & (Mapping.PAGE_BYTES - 1)) != 0) {
            throw new ErrnoException(
                    EINVAL,
                    "DMA map " + range(iova, sizeBytes) + " from offset 0x" + Long.toHexString(offset)
                            + ": multiples of " + Mapping.PAGE_BYTES + " are needed");
        }
    }

    private static String range(long iova, long sizeBytes) {
        return "iova 0x" + Long.toHexString(iova) + " size 0x" + Long.toHexString(sizeBytes);
    }
}
