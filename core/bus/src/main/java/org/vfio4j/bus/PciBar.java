package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_MEM_PREFETCH;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_MEM_TYPE_64;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_SPACE_IO;

/**
 * A base address register that a function implements.
 *
 * @param index 0 to 5; a 64-bit one takes its neighbour's place too
 * @param sizeBytes a power of two, 16 or more for memory, 4 or more for I/O space
 * @param kind the address space
 * @param prefetchable whether reads have no side effects (memory only)
 */
public record PciBar(int index, long sizeBytes, Kind kind, boolean prefetchable) {

    /** Address space and width of a BAR. */
    public enum Kind {
        IO,
        MEM32,
        MEM64
    }

    public PciBar {
        int last = kind == Kind.MEM64 ? 4 : 5;
        if (index < 0 || index > last) {
            throw new IllegalArgumentException("BAR " + index + " (" + kind + "): the last possible is " + last);
        }
        int least = kind == Kind.IO ? 4 : 16;
        if (sizeBytes < least || Long.bitCount(sizeBytes) != 1) {
            throw new IllegalArgumentException(
                    "BAR " + index + ": size " + sizeBytes + " is no power of two from " + least);
        }
        if (kind != Kind.MEM64 && sizeBytes > 1L << 31) {
            throw new IllegalArgumentException("BAR " + index + ": size " + sizeBytes + " needs a 64-bit BAR");
        }
        if (kind == Kind.IO && prefetchable) {
            throw new IllegalArgumentException("BAR " + index + ": I/O space is never prefetchable");
        }
    }

    /** The read-only low bits of the register (PCI Local Bus 3.0, 6.2.5.1). */
    public int flags() {
        return switch (kind) {
            case IO -> PCI_BASE_ADDRESS_SPACE_IO;
            case MEM32 -> prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0;
            case MEM64 -> PCI_BASE_ADDRESS_MEM_TYPE_64 | (prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
        };
    }
}
