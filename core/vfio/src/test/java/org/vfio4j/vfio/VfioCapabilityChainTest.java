package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionCapabilities.Type;

/** struct vfio_info_cap_header and the region capabilities of linux/vfio.h. */
class VfioCapabilityChainTest {

    private static final int STRUCT = 32;

    @Test
    void refusesAChainThatLeavesTheStructure() {
        MemorySegment structure = MemorySegment.ofArray(new byte[48]);
        structure.set(JAVA_INT_UNALIGNED, STRUCT + 4, 64);
        refused(structure, STRUCT);
        refused(structure, 44);
        refused(structure, -8);
    }

    @Test
    void refusesAChainWithoutEnd() {
        MemorySegment structure = MemorySegment.ofArray(new byte[48]);
        structure.set(JAVA_INT_UNALIGNED, STRUCT + 4, STRUCT);
        refused(structure, STRUCT);
    }

    @Test
    void anyBytesAreReadOrRefused() {
        Random random = new Random(7);
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = new byte[STRUCT + random.nextInt(64)];
            random.nextBytes(bytes);
            for (int at = STRUCT; at + 8 <= bytes.length; at += 8) {
                // Small numbers, so that chains get long.
                bytes[at + 4] = (byte) random.nextInt(bytes.length + 8);
                bytes[at + 5] = 0;
                bytes[at + 6] = 0;
                bytes[at + 7] = 0;
            }
            try {
                List<VfioInfoCapability> read = VfioCapabilityChain.parse(MemorySegment.ofArray(bytes), STRUCT);
                VfioRegionCapabilities.sparseAreas(read);
                VfioRegionCapabilities.type(read);
            } catch (ErrnoException e) {
                assertThat(e.errno()).isEqualTo(EPROTO);
            }
        }
    }

    @Test
    void anOddLengthIsPaddedToEight() {
        List<VfioInfoCapability> two =
                List.of(new VfioInfoCapability(9, 3, new byte[] {1, 2, 3}), VfioRegionCapabilities.msixMappable());
        assertThat(VfioCapabilityChain.sizeBytes(two)).isEqualTo(16 + 8);
        List<VfioInfoCapability> read = roundTrip(two);
        assertThat(read.getFirst().id()).isEqualTo(9);
        assertThat(read.getFirst().version()).isEqualTo(3);
        assertThat(read.getFirst().body()).startsWith(1, 2, 3);
        assertThat(read.get(1)).isEqualTo(VfioRegionCapabilities.msixMappable());
    }

    @Test
    void sparseAreasAndTypeComeBackAsTheyWent() {
        List<Area> areas = List.of(new Area(0x1000, 0x1000), new Area(0x4000, 0x2000));
        List<VfioInfoCapability> read = roundTrip(
                List.of(VfioRegionCapabilities.sparseMmap(areas), VfioRegionCapabilities.type(0x8000_8086, 2)));
        assertThat(VfioRegionCapabilities.sparseAreas(read)).contains(areas);
        assertThat(VfioRegionCapabilities.type(read)).contains(new Type(0x8000_8086, 2));
    }

    @Test
    void aSparseCapabilityThatCountsMoreAreasThanItHasSaysNothing() {
        byte[] body =
                VfioRegionCapabilities.sparseMmap(List.of(new Area(0, 0x1000))).body();
        MemorySegment.ofArray(body).set(JAVA_INT_UNALIGNED, 0, 2);
        assertThat(VfioRegionCapabilities.sparseAreas(List.of(new VfioInfoCapability(1, 1, body))))
                .isEmpty();
    }

    private static List<VfioInfoCapability> roundTrip(List<VfioInfoCapability> capabilities) {
        MemorySegment structure = MemorySegment.ofArray(new byte[STRUCT + VfioCapabilityChain.sizeBytes(capabilities)]);
        VfioCapabilityChain.put(capabilities, structure, STRUCT);
        return VfioCapabilityChain.parse(structure, STRUCT);
    }

    private static void refused(MemorySegment structure, int first) {
        assertThatThrownBy(() -> VfioCapabilityChain.parse(structure, first))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EPROTO));
    }
}
