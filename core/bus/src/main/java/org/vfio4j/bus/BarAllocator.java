package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * Gives BARs their addresses, as firmware does: aligned to their size, from three windows, a machine's or a bridge's. Addresses
 * are not used again; a machine's windows have room for many thousands of functions. Safe for all threads.
 */
final class BarAllocator {

    private final AddressWindow io;
    private final AddressWindow mem32;
    private final AddressWindow mem64;

    private BarAllocator(AddressWindow io, AddressWindow mem32, AddressWindow mem64) {
        this.io = io;
        this.mem32 = mem32;
        this.mem64 = mem64;
    }

    /** A machine's windows. */
    BarAllocator() {
        this(
                new AddressWindow(0x1000, 0x1_0000),
                new AddressWindow(0x8000_0000L, 0xe000_0000L),
                new AddressWindow(0x40_0000_0000L, 0x4000_0000_0000L));
    }

    /** The windows of a bridge: a part of these, without I/O space. */
    synchronized BarAllocator forBridge() {
        return new BarAllocator(AddressWindow.none(), mem32.share(), mem64.share());
    }

    /** What a bridge with these windows forwards below 4 GiB. */
    AddressWindow mem32() {
        return mem32;
    }

    /** What a bridge with these windows forwards as prefetchable memory. */
    AddressWindow mem64() {
        return mem64;
    }

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
        AddressWindow window =
                switch (bar.kind()) {
                    case IO -> io;
                    case MEM32 -> mem32;
                    case MEM64 -> mem64;
                };
        long start = window.take(bar.sizeBytes(), count);
        if (start < 0) {
            throw new ErrnoException(
                    ENOSPC,
                    address + " BAR " + bar.index() + " of " + count + " times 0x" + Long.toHexString(bar.sizeBytes())
                            + " bytes: no room " + (window.isEmpty() ? "behind its bridge" : "below 0x"
                                    + Long.toHexString(window.limit())));
        }
        return start;
    }
}
