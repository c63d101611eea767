package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_CAP_SPARSE_MMAP;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * A region that was added to a device.
 *
 * @param ops what it does
 * @param type its kind; empty for the VGA region, whose index says what it is
 * @param sizeBytes its size, 0 for a region that only says something by its capabilities
 * @param flags {@code VFIO_REGION_INFO_FLAG_*}
 */
record DeviceRegion(VfioPciRegionOps ops, Optional<VfioInfoCapability> type, long sizeBytes, int flags) {

    /** @throws ErrnoException EINVAL for a negative size, or flags that are unknown or none */
    DeviceRegion {
        int known = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;
        if (sizeBytes < 0 || flags == 0 || (flags & ~known) != 0) {
            throw new ErrnoException(
                    EINVAL, "register a region of " + sizeBytes + " bytes with flags 0x" + Integer.toHexString(flags));
        }
    }

    /** @param traps of the region: their pages are left out of what can be mapped */
    VfioRegionInfo info(int index, List<Area> traps) {
        List<VfioInfoCapability> capabilities = new ArrayList<>();
        type.ifPresent(capabilities::add);
        List<VfioInfoCapability> own = ops.capabilities();
        List<Area> areas = mappable(own, traps);
        own.stream().filter(cap -> cap.id() != VFIO_REGION_INFO_CAP_SPARSE_MMAP).forEach(capabilities::add);
        if (!areas.isEmpty() && !MappableAreas.isWhole(areas, sizeBytes)) {
            capabilities.add(VfioRegionCapabilities.sparseMmap(areas));
        }
        int shown = areas.isEmpty() ? flags & ~VFIO_REGION_INFO_FLAG_MMAP : flags;
        return new VfioRegionInfo(index, shown, sizeBytes, capabilities);
    }

    private List<Area> mappable(List<VfioInfoCapability> own, List<Area> traps) {
        if ((flags & VFIO_REGION_INFO_FLAG_MMAP) == 0 || ops.memory().isEmpty()) {
            return List.of();
        }
        List<Area> all = VfioRegionCapabilities.sparseAreas(own).orElse(List.of(new Area(0, sizeBytes)));
        return MappableAreas.without(all, traps);
    }
}
