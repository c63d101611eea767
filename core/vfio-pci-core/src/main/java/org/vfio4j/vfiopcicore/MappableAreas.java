package org.vfio4j.vfiopcicore;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;

/** What a user may map of a region: areas by ascending offset, on page boundaries. Stateless. */
final class MappableAreas {

    private static final long PAGE_BYTES = 4096;

    private MappableAreas() {}

    /** Takes the pages of which a hole has a byte out of {@code areas}. */
    static List<Area> without(List<Area> areas, List<Area> holes) {
        List<Area> left = areas;
        for (Area hole : holes) {
            long start = hole.offset() & -PAGE_BYTES;
            long end = (hole.offset() + hole.sizeBytes() + PAGE_BYTES - 1) & -PAGE_BYTES;
            List<Area> cut = new ArrayList<>();
            for (Area area : left) {
                long areaEnd = area.offset() + area.sizeBytes();
                add(cut, area.offset(), Math.min(areaEnd, start));
                add(cut, Math.max(area.offset(), end), areaEnd);
            }
            left = cut;
        }
        return left;
    }

    /** Whether the areas are one, of the whole region. */
    static boolean isWhole(List<Area> areas, long regionSizeBytes) {
        return areas.size() == 1
                && areas.getFirst().offset() == 0
                && areas.getFirst().sizeBytes() == regionSizeBytes;
    }

    private static void add(List<Area> areas, long start, long end) {
        if (start < end) {
            areas.add(new Area(start, end - start));
        }
    }
}
