package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import org.vfio4j.bus.DmaFollower;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Seals;

/**
 * The memory of a function's user, for the kernel's IOMMU: what the one maps is mapped there at the same addresses.
 *
 * <p>Only the kernel's own memory is: a memfd, or a file on tmpfs or hugetlbfs. The kernel brings all of it in before it answers, and a
 * file system that a client answers for could have it wait for ever.
 *
 * <p>Memory without a descriptor is reached by messages, and no IOMMU sends any. A hypervisor has such memory that no device is ever told
 * of, its firmware: that is read-only, is taken without a map, and a function that reads it finds nothing there. Where the device may
 * write it may be the guest's memory itself, and it is refused. The thread that changes the space calls.
 */
final class FunctionDma implements DmaFollower {

    private final String name;
    private final FunctionFile file;
    private final Set<Long> withoutMap = new HashSet<>();

    FunctionDma(String name, FunctionFile file) {
        this.name = name;
        this.file = file;
    }

    @Override
    public void map(long iova, long sizeBytes, int access, Optional<DmaMemory> memory) {
        if (memory.isPresent()) {
            Fd fd = memory.get().fd();
            if (!isKernelMemory(fd)) {
                throw refused(iova, sizeBytes, "of a file that is on no tmpfs or hugetlbfs, nor a memfd");
            }
            file.dmaMap(iova, sizeBytes, access, fd, memory.get().offset());
        } else if ((access & DmaSpace.WRITE) == 0) {
            withoutMap.add(iova);
        } else {
            throw refused(
                    iova, sizeBytes, "without a descriptor (for a guest in QEMU: memory-backend-memfd, share=on)");
        }
    }

    @Override
    public void unmap(long iova, long sizeBytes) {
        if (!withoutMap.remove(iova)) {
            file.dmaUnmap(iova, sizeBytes);
        }
    }

    private static boolean isKernelMemory(Fd fd) {
        try {
            Seals.get(fd);
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private ErrnoException refused(long iova, long sizeBytes, String why) {
        return new ErrnoException(
                EOPNOTSUPP,
                name + ": DMA map of 0x" + Long.toHexString(sizeBytes) + " bytes at iova 0x" + Long.toHexString(iova)
                        + ", for hardware, of memory " + why);
    }
}
