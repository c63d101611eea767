package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_CAP_SPARSE_MMAP;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_CAP_TYPE;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.uapi.Vfio.CapHeader;
import org.vfio4j.uapi.Vfio.CapSparseMmap;
import org.vfio4j.uapi.Vfio.CapType;

/** The capabilities of regions that VFIO itself knows (linux/vfio.h), made and read. Stateless. */
public final class VfioRegionCapabilities {

    private static final int VERSION = 1;

    private VfioRegionCapabilities() {}

    /**
     * A part of a region.
     *
     * @param offset its first byte, counted from the region's
     * @param sizeBytes its size
     */
    public record Area(long offset, long sizeBytes) {}

    /**
     * A device-specific region's or interrupt's kind.
     *
     * @param type {@code VFIO_REGION_TYPE_*}, or {@code VFIO_REGION_TYPE_PCI_VENDOR_TYPE} with a vendor's id
     * @param subtype what the type says it is
     */
    public record Type(int type, int subtype) {}

    /** {@code struct vfio_region_info_cap_sparse_mmap}: only these areas can be mapped. */
    public static VfioInfoCapability sparseMmap(List<Area> areas) {
        int areasAt = CapSparseMmap.AREAS - CapHeader.SIZEOF;
        byte[] body = new byte[areasAt + areas.size() * CapSparseMmap.AREA_SIZEOF];
        MemorySegment out = MemorySegment.ofArray(body);
        out.set(JAVA_INT_UNALIGNED, CapSparseMmap.NR_AREAS - CapHeader.SIZEOF, areas.size());
        for (int i = 0; i < areas.size(); i++) {
            long at = areasAt + (long) i * CapSparseMmap.AREA_SIZEOF;
            out.set(
                    JAVA_LONG_UNALIGNED,
                    at + CapSparseMmap.AREA_OFFSET,
                    areas.get(i).offset());
            out.set(
                    JAVA_LONG_UNALIGNED,
                    at + CapSparseMmap.AREA_SIZE,
                    areas.get(i).sizeBytes());
        }
        return new VfioInfoCapability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, VERSION, body);
    }

    /** {@code struct vfio_region_info_cap_type}: what a device-specific region is. */
    public static VfioInfoCapability type(int type, int subtype) {
        byte[] body = new byte[CapType.SIZEOF - CapHeader.SIZEOF];
        MemorySegment out = MemorySegment.ofArray(body);
        out.set(JAVA_INT_UNALIGNED, CapType.TYPE - CapHeader.SIZEOF, type);
        out.set(JAVA_INT_UNALIGNED, CapType.SUBTYPE - CapHeader.SIZEOF, subtype);
        return new VfioInfoCapability(VFIO_REGION_INFO_CAP_TYPE, VERSION, body);
    }

    /** {@code VFIO_REGION_INFO_CAP_MSIX_MAPPABLE}: the MSI-X table's page may be mapped too. */
    public static VfioInfoCapability msixMappable() {
        return new VfioInfoCapability(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, VERSION, new byte[0]);
    }

    /** The areas of a sparse region; empty when it says nothing of areas, or what it says is cut short. */
    public static Optional<List<Area>> sparseAreas(List<VfioInfoCapability> capabilities) {
        return body(capabilities, VFIO_REGION_INFO_CAP_SPARSE_MMAP, CapSparseMmap.SIZEOF)
                .flatMap(VfioRegionCapabilities::areas);
    }

    /** What a device-specific region is; empty when it does not say. */
    public static Optional<Type> type(List<VfioInfoCapability> capabilities) {
        return body(capabilities, VFIO_REGION_INFO_CAP_TYPE, CapType.SIZEOF)
                .map(body -> new Type(
                        body.get(JAVA_INT_UNALIGNED, CapType.TYPE - CapHeader.SIZEOF),
                        body.get(JAVA_INT_UNALIGNED, CapType.SUBTYPE - CapHeader.SIZEOF)));
    }

    private static Optional<List<Area>> areas(MemorySegment body) {
        long count = Integer.toUnsignedLong(body.get(JAVA_INT_UNALIGNED, CapSparseMmap.NR_AREAS - CapHeader.SIZEOF));
        long areasAt = CapSparseMmap.AREAS - CapHeader.SIZEOF;
        if (count > (body.byteSize() - areasAt) / CapSparseMmap.AREA_SIZEOF) {
            return Optional.empty();
        }
        List<Area> areas = new ArrayList<>();
        for (long at = areasAt; areas.size() < count; at += CapSparseMmap.AREA_SIZEOF) {
            areas.add(new Area(
                    body.get(JAVA_LONG_UNALIGNED, at + CapSparseMmap.AREA_OFFSET),
                    body.get(JAVA_LONG_UNALIGNED, at + CapSparseMmap.AREA_SIZE)));
        }
        return Optional.of(areas);
    }

    private static Optional<MemorySegment> body(List<VfioInfoCapability> capabilities, int id, int sizeWithHeader) {
        return capabilities.stream()
                .filter(capability -> capability.id() == id)
                .map(capability -> MemorySegment.ofArray(capability.body()))
                .filter(body -> body.byteSize() >= sizeWithHeader - CapHeader.SIZEOF)
                .findFirst();
    }
}
