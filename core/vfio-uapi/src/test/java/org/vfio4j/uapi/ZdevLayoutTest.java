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

/** The layouts of linux/vfio_zdev.h, against the numbers that Linux 7.3 has and against this machine's header. */
class ZdevLayoutTest {

    @TempDir
    Path directory;

    static List<Arguments> layouts() {
        return List.of(
                Arguments.of("vfio_device_info_cap_zpci_base", VfioZdev.CapBase.class),
                Arguments.of("vfio_device_info_cap_zpci_group", VfioZdev.CapGroup.class),
                Arguments.of("vfio_device_info_cap_zpci_util", VfioZdev.CapUtil.class),
                Arguments.of("vfio_device_info_cap_zpci_pfip", VfioZdev.CapPfip.class));
    }

    @Test
    void isThatOfLinux7() throws Exception {
        assertThat(CHeader.constants(VfioZdev.CapBase.class))
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        "START_DMA",
                        8,
                        "END_DMA",
                        16,
                        "PCHID",
                        24,
                        "VFN",
                        26,
                        "FMB_LENGTH",
                        28,
                        "PFT",
                        30,
                        "GID",
                        31,
                        "FH",
                        32,
                        "CCDF_ERR_LENGTH",
                        36,
                        "SIZEOF",
                        40));
        assertThat(CHeader.constants(VfioZdev.CapGroup.class))
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        "DASM",
                        8,
                        "MSI_ADDR",
                        16,
                        "FLAGS",
                        24,
                        "MUI",
                        32,
                        "NOI",
                        34,
                        "MAXSTBL",
                        36,
                        "VERSION",
                        38,
                        "RESERVED",
                        39,
                        "IMAXSTBL",
                        40,
                        "SIZEOF",
                        48));
        assertThat(CHeader.constants(VfioZdev.CapUtil.class))
                .containsExactlyInAnyOrderEntriesOf(Map.of("SIZE", 8, "UTIL_STR", 12, "SIZEOF", 12));
        assertThat(CHeader.constants(VfioZdev.CapPfip.class))
                .containsExactlyInAnyOrderEntriesOf(Map.of("SIZE", 8, "PFIP", 12, "SIZEOF", 12));
    }

    @ParameterizedTest
    @MethodSource("layouts")
    void isTheHeaders(String struct, Class<?> layout) throws Exception {
        CHeader header = CHeader.find("linux/vfio_zdev.h");
        Map<String, Integer> ours = new TreeMap<>(CHeader.constants(layout));
        // Version 3 of the base is newer than many machines' headers, where the structure ends before it.
        if (ours.remove("CCDF_ERR_LENGTH") != null) {
            ours.remove("SIZEOF");
        }
        Map<String, String> theirs = new TreeMap<>();
        for (String constant : ours.keySet()) {
            theirs.put(
                    constant,
                    constant.equals("SIZEOF")
                            ? "sizeof(struct " + struct + ")"
                            : "offsetof(struct " + struct + ", " + constant.toLowerCase(Locale.ROOT) + ")");
        }
        assertThat(ours).isEqualTo(header.evaluate(theirs, directory));
    }
}
