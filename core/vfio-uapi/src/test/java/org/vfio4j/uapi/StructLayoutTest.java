package org.vfio4j.uapi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The layouts that are a C structure's have its size and offsets. vfio-user's messages repeat the structures of linux/vfio.h; its
 * event descriptors travel beside the message, so an irq set's data are not in the structure.
 */
class StructLayoutTest {

    @TempDir
    Path directory;

    static List<Arguments> layouts() {
        return List.of(
                Arguments.of("vfio_device_info", VfioUser.DeviceInfo.class),
                Arguments.of("vfio_region_info", VfioUser.RegionInfo.class),
                Arguments.of("vfio_irq_info", VfioUser.IrqInfo.class),
                Arguments.of("vfio_irq_set", VfioUser.IrqSet.class),
                Arguments.of("vfio_device_feature", VfioUser.DeviceFeature.class),
                Arguments.of("vfio_info_cap_header", Vfio.CapHeader.class),
                Arguments.of("vfio_region_info_cap_sparse_mmap", Vfio.CapSparseMmap.class),
                Arguments.of("vfio_region_info_cap_type", Vfio.CapType.class),
                Arguments.of("vfio_device_low_power_entry_with_wakeup", Vfio.LowPowerEntryWithWakeup.class),
                Arguments.of("vfio_region_info_cap_nvlink2_ssatgt", Vfio.CapNvlink2Ssatgt.class),
                Arguments.of("vfio_region_info_cap_nvlink2_lnkspd", Vfio.CapNvlink2Lnkspd.class),
                Arguments.of("vfio_group_status", VfioKernel.GroupStatus.class),
                Arguments.of("vfio_iommu_type1_info", VfioKernel.IommuType1Info.class),
                Arguments.of("vfio_iommu_type1_info_cap_iova_range", VfioKernel.CapIovaRange.class),
                Arguments.of("vfio_iommu_type1_dma_map", VfioKernel.DmaMap.class),
                Arguments.of("vfio_iommu_type1_dma_unmap", VfioKernel.DmaUnmap.class),
                Arguments.of("vfio_device_feature_dma_logging_control", VfioKernel.FeatureDmaLoggingControl.class),
                Arguments.of("vfio_device_feature_dma_logging_report", VfioKernel.FeatureDmaLoggingReport.class));
    }

    @ParameterizedTest
    @MethodSource("layouts")
    void isTheStructures(String struct, Class<?> layout) throws Exception {
        CHeader header = CHeader.find("linux/vfio.h");
        Map<String, Integer> ours = new TreeMap<>(CHeader.constants(layout));
        Map<String, String> theirs = new TreeMap<>();
        for (String constant : ours.keySet()) {
            theirs.put(constant, expression(struct, constant));
        }
        assertThat(ours).isEqualTo(header.evaluate(theirs, directory));
    }

    @Test
    void aDevicesCapabilitiesAreWhereTheStructureHasThem() throws Exception {
        CHeader header = CHeader.find("linux/vfio.h");
        Map<String, String> theirs = Map.of("CAP_OFFSET", expression("vfio_device_info", "CAP_OFFSET"));
        // Newer headers have padding behind it, which is in SIZEOF.
        assertThat(header.evaluate(theirs, directory)).containsEntry("CAP_OFFSET", VfioUser.DeviceInfoCaps.CAP_OFFSET);
    }

    private static String expression(String struct, String constant) {
        if (constant.startsWith("AREA_")) {
            return expression("vfio_region_sparse_mmap_area", constant.substring("AREA_".length()));
        }
        if (constant.startsWith("RANGE_")) {
            return expression("vfio_iova_range", constant.substring("RANGE_".length()));
        }
        if (struct.equals("vfio_device_info") && constant.equals("SIZEOF")) {
            // Newer headers have capabilities at its end; vfio-user's has not.
            return "offsetof(struct vfio_device_info, num_irqs) + sizeof(__u32)";
        }
        return constant.equals("SIZEOF")
                ? "sizeof(struct " + struct + ")"
                : "offsetof(struct " + struct + ", " + constant.toLowerCase(Locale.ROOT) + ")";
    }
}
