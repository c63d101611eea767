package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.PciBar;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * What an open device has: sizes by its regions, kinds of BARs by the low bits of their registers (PCI Local Bus 3.0, 6.2.5.1), and where
 * its capabilities are. Stateless.
 */
final class FunctionLayout {

    private static final int LARGEST_ROM = 1 << 24;
    private static final long PAGE_BYTES = 4096;

    private FunctionLayout() {}

    static int configSize(VfioDeviceFile file) {
        long size = file.regionInfo(VFIO_PCI_CONFIG_REGION_INDEX).sizeBytes();
        if (size != PCI_CFG_SPACE_SIZE && size != PCI_CFG_SPACE_EXP_SIZE) {
            throw new ErrnoException(
                    EPROTO,
                    "configuration space of " + size + " bytes, " + PCI_CFG_SPACE_SIZE + " or " + PCI_CFG_SPACE_EXP_SIZE
                            + " are possible");
        }
        return (int) size;
    }

    /** The BARs that the kernel has given an address: a device that has more has them without use. */
    static List<PciBar> bars(VfioDeviceFile file) {
        List<PciBar> bars = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment register = arena.allocate(Integer.BYTES, Integer.BYTES);
            for (int i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
                VfioRegionInfo info = file.regionInfo(i);
                if (info.sizeBytes() != 0) {
                    int at = PCI_BASE_ADDRESS_0 + Integer.BYTES * i;
                    file.read(VFIO_PCI_CONFIG_REGION_INDEX, at, register, 0, Integer.BYTES);
                    bars.add(bar(info, register.get(ValueLayout.JAVA_INT, 0)));
                }
            }
        }
        return List.copyOf(bars);
    }

    private static PciBar bar(VfioRegionInfo info, int register) {
        boolean io = (register & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO;
        boolean wide = (register & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
        PciBar.Kind kind = io ? PciBar.Kind.IO : wide ? PciBar.Kind.MEM64 : PciBar.Kind.MEM32;
        boolean prefetchable = !io && (register & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0;
        try {
            return new PciBar(info.index(), info.sizeBytes(), kind, prefetchable);
        } catch (IllegalArgumentException e) {
            throw new ErrnoException(
                    EPROTO, "register 0x" + Integer.toHexString(register) + " of a BAR (" + e.getMessage() + ")");
        }
    }

    /** Bytes of the ROM; 0 for none, and for one that is no power of two and so cannot be behind a ROM register. */
    static int romSizeBytes(VfioDeviceFile file) {
        long size = file.regionInfo(VFIO_PCI_ROM_REGION_INDEX).sizeBytes();
        return Long.bitCount(size) == 1 && size <= LARGEST_ROM ? (int) size : 0;
    }

    /** Where the first capability of this id is in the device's configuration space; 0 for nowhere. */
    static int capability(VfioDeviceFile file, int id) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment space = arena.allocate(PCI_CFG_SPACE_SIZE);
            file.read(VFIO_PCI_CONFIG_REGION_INDEX, 0, space, 0, PCI_CFG_SPACE_SIZE);
            if ((space.get(ValueLayout.JAVA_BYTE, PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) {
                return 0;
            }
            BitSet seen = new BitSet();
            int at = space.get(ValueLayout.JAVA_BYTE, PCI_CAPABILITY_LIST) & 0xfc;
            while (at >= PCI_STD_HEADER_SIZEOF && !seen.get(at)) {
                if ((space.get(ValueLayout.JAVA_BYTE, at + PCI_CAP_LIST_ID) & 0xff) == id) {
                    return at;
                }
                seen.set(at);
                at = space.get(ValueLayout.JAVA_BYTE, at + PCI_CAP_LIST_NEXT) & 0xfc;
            }
            return 0;
        }
    }

    /** What of a BAR can be mapped by whoever gets the device's own descriptor. */
    static Optional<BarMemory> memory(VfioDeviceFile file, int bar) {
        VfioRegionInfo info = file.regionInfo(bar);
        if ((info.flags() & VFIO_REGION_INFO_FLAG_MMAP) == 0) {
            return Optional.empty();
        }
        List<BarMemory.Area> areas = VfioRegionCapabilities.sparseAreas(info.capabilities())
                .orElse(List.of(new VfioRegionCapabilities.Area(0, info.sizeBytes())))
                .stream()
                .filter(area -> (area.offset() | area.sizeBytes()) % PAGE_BYTES == 0)
                .map(area -> new BarMemory.Area(area.offset(), area.sizeBytes()))
                .toList();
        return file.regionMemory(bar).map(memory -> new BarMemory(memory.fd(), memory.offset(), areas));
    }
}
