package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.REG_DOORBELLS;
import static org.vfio4j.sys.Errno.EINVAL;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Seals;

/**
 * The memory of {@link Doorbells}, sealed: users map it as well, and one who could shrink it could end this process. Of its two pages the
 * second is the one with doorbells, as in the BAR.
 *
 * @param fd the memory, owned by this
 * @param mapping of the second page, owned by this
 */
record DoorbellPage(Fd fd, Mapping mapping) implements AutoCloseable {

    static final int PAGE_BYTES = 0x1000;

    private static final int BYTES = REG_DOORBELLS + PAGE_BYTES;

    /** A page of zeroes. */
    static DoorbellPage create() {
        Fd fd = MemFd.create("nvme doorbells", BYTES);
        try {
            Seals.add(fd, Seals.F_SEAL_SHRINK | Seals.F_SEAL_GROW | Seals.F_SEAL_SEAL);
            return map(fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /**
     * That of another controller.
     *
     * @param other stays the caller's
     * @throws ErrnoException EINVAL when it is none
     */
    static DoorbellPage of(Fd other) {
        if ((Seals.get(other) & Seals.F_SEAL_SHRINK) == 0 || FileStat.of(other).size() != BYTES) {
            throw new ErrnoException(
                    EINVAL, "adopt doorbells: memory that is not sealed, or not of " + BYTES + " bytes");
        }
        Fd fd = other.dup();
        try {
            return map(fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** The same, of memory that is this one's from now on, also when it throws. */
    static DoorbellPage take(Fd other) {
        try (other) {
            return of(other);
        }
    }

    private static DoorbellPage map(Fd fd) {
        return new DoorbellPage(
                fd, Mapping.shared(fd, REG_DOORBELLS, PAGE_BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE));
    }

    long address() {
        return mapping.address();
    }

    @Override
    public void close() {
        mapping.close();
        fd.close();
    }
}
