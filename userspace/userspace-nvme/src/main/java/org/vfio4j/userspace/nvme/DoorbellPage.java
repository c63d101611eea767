package org.vfio4j.userspace.nvme;

import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;
import static org.vfio4j.userspace.nvme.NvmeNumbers.BAR0;
import static org.vfio4j.userspace.nvme.NvmeNumbers.REG_DOORBELLS;

import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.Seals;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/** Maps the doorbells of a controller that offers their memory. Stateless. */
final class DoorbellPage {

    private DoorbellPage() {}

    /**
     * Maps the doorbells, from the first one on.
     *
     * @param sizeBytes how many bytes of them are needed
     * @param unsealed whether memory that its owner can shrink is mapped as well
     * @return empty when they cannot be mapped
     */
    static Optional<Mapping> map(VfioDeviceFile file, long sizeBytes, boolean unsealed) {
        VfioRegionInfo info = file.regionInfo(BAR0);
        if ((info.flags() & VFIO_REGION_INFO_FLAG_MMAP) == 0 || !covered(info, sizeBytes)) {
            return Optional.empty();
        }
        return file.regionMemory(BAR0).flatMap(memory -> map(memory, sizeBytes, unsealed));
    }

    private static boolean covered(VfioRegionInfo info, long sizeBytes) {
        List<Area> areas =
                VfioRegionCapabilities.sparseAreas(info.capabilities()).orElse(List.of(new Area(0, info.sizeBytes())));
        return areas.stream()
                .anyMatch(area -> area.offset() >= 0
                        && area.offset() <= REG_DOORBELLS
                        && area.sizeBytes() - (REG_DOORBELLS - area.offset()) >= sizeBytes);
    }

    private static Optional<Mapping> map(VfioRegionMemory memory, long sizeBytes, boolean unsealed) {
        Fd fd = memory.fd();
        long at = memory.offset() + REG_DOORBELLS;
        if (memory.offset() < 0 || at % Mapping.PAGE_BYTES != 0 || !staysThere(memory, at, sizeBytes, unsealed)) {
            return Optional.empty();
        }
        return Optional.of(Mapping.shared(fd, at, sizeBytes, Mapping.PROT_READ | Mapping.PROT_WRITE));
    }

    private static boolean staysThere(VfioRegionMemory memory, long at, long sizeBytes, boolean unsealed) {
        if (memory.permanent()) {
            return true;
        }
        if (!unsealed && !cannotShrink(memory.fd())) {
            return false;
        }
        // After the seal: from then on the size that is seen is the least it will ever have.
        long length = FileStat.of(memory.fd()).size();
        return at <= length && length - at >= sizeBytes;
    }

    /** Seals it if need be. Memory of huge pages can have holes punched into it, and is not mapped either. */
    private static boolean cannotShrink(Fd fd) {
        try {
            if ((Seals.get(fd) & Seals.F_SEAL_SHRINK) == 0) {
                Seals.add(fd, Seals.F_SEAL_SHRINK);
            }
            return FileStat.fsMagic(fd) != FileStat.HUGETLBFS_MAGIC;
        } catch (ErrnoException e) {
            // It is on a file system without seals, or takes no more of them.
            return false;
        }
    }
}
