package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * The regions of a device: those that every PCI device has, and those that were added to it. What is registered while the device
 * is open goes with its closing, everything else stays. The user's thread, or whoever has the device while it is closed.
 */
final class Regions {

    /** The legacy VGA range, from 0xa0000 on, lies inside a region of this size as the kernel lays it out. */
    private static final long VGA_SIZE = 0xc0000;

    private static final int READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

    private final PciFunction function;
    private final Traps traps;
    private final List<DeviceRegion> added = new ArrayList<>();
    private @Nullable DeviceRegion vga;
    private int permanent = -1;

    Regions(PciFunction function, Traps traps) {
        this.function = function;
        this.traps = traps;
    }

    int count() {
        return VFIO_PCI_NUM_REGIONS + added.size();
    }

    /** Adds a device-specific region. Returns its index. */
    int add(int type, int subtype, VfioPciRegionOps ops, long sizeBytes, int flags) {
        added.add(new DeviceRegion(ops, Optional.of(VfioRegionCapabilities.type(type, subtype)), sizeBytes, flags));
        return count() - 1;
    }

    /** @throws ErrnoException EBUSY when there is one already, or the device is open */
    void addVga(VfioPciRegionOps ops) {
        if (vga != null || permanent >= 0) {
            throw new ErrnoException(EBUSY, "register a VGA region beside another, or while the device is open");
        }
        vga = new DeviceRegion(ops, Optional.empty(), VGA_SIZE, READ_WRITE);
    }

    /** The device is opened: regions from now on go when it is closed. */
    void open() {
        permanent = added.size();
    }

    void close() {
        while (added.size() > permanent) {
            added.removeLast().ops().release();
        }
        permanent = -1;
    }

    /** Gives up those that stay from open to open. */
    void release() {
        while (!added.isEmpty()) {
            added.removeLast().ops().release();
        }
        DeviceRegion old = vga;
        vga = null;
        if (old != null) {
            old.ops().release();
        }
    }

    /** The region at this index that was added. */
    @Nullable
    DeviceRegion device(int index) {
        if (index == VFIO_PCI_VGA_REGION_INDEX) {
            return vga;
        }
        int i = index - VFIO_PCI_NUM_REGIONS;
        return i >= 0 && i < added.size() ? added.get(i) : null;
    }

    /** @throws ErrnoException EINVAL for a region that the device does not have */
    long sizeBytes(int index) {
        DeviceRegion region = device(index);
        if (region != null) {
            return region.sizeBytes();
        }
        if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
            return function.configSize();
        }
        if (index == VFIO_PCI_ROM_REGION_INDEX && function.romSizeBytes() != 0) {
            return function.romSizeBytes();
        }
        return bar(index)
                .orElseThrow(() -> new ErrnoException(EINVAL, "region " + index + " does not exist"))
                .sizeBytes();
    }

    /** @param session the open device's, which knows where the MSI-X table lies */
    VfioRegionInfo info(PciSession session, int index) {
        DeviceRegion region = device(index);
        if (region != null) {
            return region.info(index, trapped(index));
        }
        if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
            return new VfioRegionInfo(index, READ_WRITE, function.configSize());
        }
        if (index == VFIO_PCI_ROM_REGION_INDEX && function.romSizeBytes() != 0) {
            return new VfioRegionInfo(index, VFIO_REGION_INFO_FLAG_READ, function.romSizeBytes());
        }
        return bar(index).map(bar -> barInfo(session, bar)).orElseGet(() -> new VfioRegionInfo(index, 0, 0));
    }

    /** Memory behind the region, while any of it can be mapped. */
    Optional<VfioRegionMemory> memory(PciSession session, int index) {
        if ((info(session, index).flags() & VFIO_REGION_INFO_FLAG_MMAP) == 0) {
            return Optional.empty();
        }
        DeviceRegion region = device(index);
        return region != null
                ? region.ops().memory()
                : function.barMemory(index).map(memory -> new VfioRegionMemory(memory.fd(), memory.offset()));
    }

    private VfioRegionInfo barInfo(PciSession session, PciBar bar) {
        int index = bar.index();
        List<Area> table = session.bars().msixAreas(index);
        List<Area> areas = function.barMemory(index).map(Regions::areas).orElse(List.of());
        areas = MappableAreas.without(MappableAreas.without(areas, table), trapped(index));
        if (areas.isEmpty()) {
            return new VfioRegionInfo(index, READ_WRITE, bar.sizeBytes());
        }
        List<VfioInfoCapability> capabilities = new ArrayList<>();
        if (!MappableAreas.isWhole(areas, bar.sizeBytes())) {
            capabilities.add(VfioRegionCapabilities.sparseMmap(areas));
        }
        if (!table.isEmpty()) {
            capabilities.add(VfioRegionCapabilities.msixMappable());
        }
        return new VfioRegionInfo(index, READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP, bar.sizeBytes(), capabilities);
    }

    private Optional<PciBar> bar(int index) {
        return function.bars().stream().filter(bar -> bar.index() == index).findFirst();
    }

    private List<Area> trapped(int index) {
        return Arrays.stream(traps.of(index))
                .map(trap -> new Area(trap.offset(), trap.sizeBytes()))
                .toList();
    }

    private static List<Area> areas(BarMemory memory) {
        return memory.areas().stream()
                .map(area -> new Area(area.offset(), area.sizeBytes()))
                .toList();
    }
}
