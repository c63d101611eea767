package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import org.vfio4j.bus.DmaMemory;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.Seals;
import org.vfio4j.vfio.DmaBacking;
import org.vfio4j.vfio.FileDmaBacking;
import org.vfio4j.vfio.IoAddressSpace;

/**
 * A descriptor of memory that a client shares, and the decision how to reach it.
 *
 * <p>Memory that is mapped and then shrunk by its owner ends the process that touches it. So only memory is mapped that can
 * never shrink: a memfd with F_SEAL_SHRINK, which is added here if the memfd takes seals. Other files are reached by pread and
 * pwrite, unless the operator trusts the client.
 */
final class SharedMemory {

    private static final int PAGE_SIZE = 4096;

    private final Fd memory;
    private final long offset;
    private final long size;
    private final int access;

    /**
     * @param memory the descriptor, owned by this object from now on
     * @param offset first byte of the map in it
     * @param size bytes
     * @param access {@code DmaSpace.READ}, {@code DmaSpace.WRITE} or both
     */
    SharedMemory(Fd memory, long offset, long size, int access) {
        this.memory = memory;
        this.offset = offset;
        this.size = size;
        this.access = access;
    }

    /**
     * Adds the memory to {@code space}.
     *
     * @throws ErrnoException EINVAL when the descriptor is no file, or shorter than the map; EOPNOTSUPP when its memory may
     *     not be mapped and cannot be reached otherwise; EMFILE; what mmap says; what the space says. The descriptor is closed then.
     */
    void mapInto(IoAddressSpace space, long iova, boolean byFileIo, boolean trusted) {
        boolean kept = false;
        try {
            boolean map = !byFileIo
                    && offset % PAGE_SIZE == 0
                    && (cannotShrink() || trusted)
                    && ProcessLimits.roomForMapping();
            checkKind();
            // After the seal: from then on the size that is seen is the least it will ever have.
            checkRange();
            if (map) {
                Mapping mapping = Mapping.shared(memory, offset, size, protection());
                space.map(iova, access, mapping, new DmaMemory(memory, offset));
            } else {
                checkFileIo();
                DmaBacking backing = ProcessLimits.counted(new FileDmaBacking(memory, offset));
                kept = true;
                space.map(iova, size, access, backing);
            }
        } finally {
            if (!kept) {
                memory.close();
            }
        }
    }

    private void checkKind() {
        if (!FileStat.of(memory).isRegular()) {
            throw new ErrnoException(EINVAL, "DMA_MAP: the descriptor is no file of memory");
        }
    }

    private void checkRange() {
        long length = FileStat.of(memory).size();
        if (offset < 0 || size <= 0 || size > length || offset > length - size) {
            throw new ErrnoException(
                    EINVAL,
                    "DMA_MAP: offset 0x" + Long.toHexString(offset) + " size 0x" + Long.toHexString(size)
                            + " in a file of 0x" + Long.toHexString(length) + " bytes");
        }
    }

    /**
     * Files on hugetlbfs cannot be written by pwrite. A driver would see its first request hang: its monitor had better hear of
     * it now.
     */
    private void checkFileIo() {
        checkFileIo(DmaSpace.READ, FileIo.pread(memory.value(), 0, 0, offset), "read");
        checkFileIo(DmaSpace.WRITE, FileIo.pwrite(memory.value(), 0, 0, offset), "written");
    }

    /** @param result what the kernel says to a transfer of no bytes: whether the file can do it at all */
    private void checkFileIo(int wanted, long result, String what) {
        if ((access & wanted) != 0 && result < 0) {
            throw new ErrnoException(
                    EOPNOTSUPP,
                    "DMA_MAP: memory that may shrink is mapped for trusted clients only, and its descriptor cannot be "
                            + what + ": " + Errno.describe((int) -result));
        }
    }

    /**
     * Whether a descriptor is of memory that the kernel keeps: tmpfs or hugetlbfs, the only file systems with seals. Behind any
     * other there may be a server that takes its time to answer, which may be the client itself.
     */
    static boolean isKernelMemory(Fd fd) {
        try {
            Seals.get(fd);
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private boolean cannotShrink() {
        // A hole that is punched into huge pages needs a free one at the next access, and there may be none: a SIGBUS.
        if (FileStat.fsMagic(memory) == FileStat.HUGETLBFS_MAGIC) {
            return false;
        }
        try {
            if ((Seals.get(memory) & Seals.F_SEAL_SHRINK) == 0) {
                Seals.add(memory, Seals.F_SEAL_SHRINK);
            }
            return true;
        } catch (ErrnoException e) {
            // It is on a file system without seals, or takes no more of them.
            return false;
        }
    }

    private int protection() {
        int read = (access & DmaSpace.READ) != 0 ? Mapping.PROT_READ : 0;
        int write = (access & DmaSpace.WRITE) != 0 ? Mapping.PROT_WRITE : 0;
        return read | write;
    }
}
