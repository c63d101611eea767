package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * Gives BARs their addresses, as firmware does: aligned to their size, from three windows. Addresses are not used again; the
 * windows have room for many thousands of functions. Safe for all threads.
 */
final class BarAllocator {

    private static final long IO_BASE = 0x1000;
    private static final long IO_LIMIT = 0x1_0000;
    private static final long MEM32_BASE = 0x8000_0000L;
    private static final long MEM32_LIMIT = 0xe000_0000L;
    private static final long MEM64_BASE = 0x40_0000_0000L;
    private static final long MEM64_LIMIT = 0x4000_0000_0000L;

    private long io = IO_BASE;
    private long mem32 = MEM32_BASE;
    private long mem64 = MEM64_BASE;

    /**
     * Places a function's BARs and writes their addresses to its configuration space.
     *
     * @throws ErrnoException ENOSPC when a window is used up
     */
    synchronized List<PciDevice.Resource> place(PciAddress address, PciFunction function) {
        List<PciDevice.Resource> placed = new ArrayList<>();
        for (PciBar bar : function.bars()) {
            long start = next(address, bar, 1);
            int register = PCI_BASE_ADDRESS_0 + bar.index() * Integer.BYTES;
            function.configWrite(register, Integer.BYTES, (int) start);
            if (bar.kind() == PciBar.Kind.MEM64) {
                function.configWrite(register + Integer.BYTES, Integer.BYTES, (int) (start >>> 32));
            }
            placed.add(new PciDevice.Resource(bar, start));
        }
        return placed;
    }

    /**
     * Places the BARs of all virtual functions that a function can have: for each BAR as many in a row.
     *
     * @return for each BAR where the first virtual function's is
     * @throws ErrnoException ENOSPC when a window is used up
     */
    synchronized List<PciDevice.Resource> placeApertures(PciAddress address, List<PciBar> vfBars, int count) {
        return vfBars.stream()
                .map(bar -> new PciDevice.Resource(bar, next(address, bar, count)))
                .toList();
    }

    private long next(PciAddress address, PciBar bar, int count) {
        long all = bar.sizeBytes() * count;
        return switch (bar.kind()) {
            case IO -> (io = within(address, bar, count, io, IO_LIMIT) + all) - all;
            case MEM32 -> (mem32 = within(address, bar, count, mem32, MEM32_LIMIT) + all) - all;
            case MEM64 -> (mem64 = within(address, bar, count, mem64, MEM64_LIMIT) + all) - all;
        };
    }

    // Where so many of them fit. Nothing overflows: a count has 16 bits, and a size is looked at first.
    private static long within(PciAddress address, PciBar bar, int count, long from, long limit) {
        long start = alignUp(from, bar.sizeBytes());
        if (bar.sizeBytes() > limit || start > limit - bar.sizeBytes() * count) {
            throw new ErrnoException(
                    ENOSPC,
                    address + " BAR " + bar.index() + " of " + count + " times 0x" + Long.toHexString(bar.sizeBytes())
                            + " bytes: no room below 0x" + Long.toHexString(limit));
        }
        return start;
    }

    private static long alignUp(long address, long size) {
        return address + size - 1 & -size;
    }
}
