package org.vfio4j.i40evf;

import java.util.List;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Seals;

/**
 * The two pages of BAR 0 with the tail registers, as memory that a user may map. Of the other registers in them, the intervals of
 * vectors, a write means nothing.
 */
final class TailPages implements AutoCloseable {

    private static final int PAGE_BYTES = 0x1000;

    private final Fd fd = MemFd.create("i40e-vf tails", VfRegisters.PAGES_BYTES);
    private final Mapping mapping;

    TailPages() {
        try {
            // A user who could shrink the memory could end this process.
            Seals.add(fd, Seals.F_SEAL_SHRINK | Seals.F_SEAL_GROW | Seals.F_SEAL_SEAL);
            mapping = Mapping.shared(fd, 0, VfRegisters.PAGES_BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** Where the memory is in this process. */
    long address() {
        return mapping.address();
    }

    BarMemory memory() {
        return new BarMemory(
                fd,
                0,
                List.of(
                        new BarMemory.Area(VfRegs.QTX_TAIL1, PAGE_BYTES),
                        new BarMemory.Area(VfRegs.QRX_TAIL1, PAGE_BYTES)));
    }

    @Override
    public void close() {
        mapping.close();
        fd.close();
    }
}
