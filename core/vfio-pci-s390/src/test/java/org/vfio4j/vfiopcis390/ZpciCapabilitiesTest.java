package org.vfio4j.vfiopcis390;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_BASE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_GROUP;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_PFIP;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_INFO_CAP_ZPCI_UTIL;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfiopci.testing.ServedFunction;

/** The capabilities of linux/vfio_zdev.h in a device's info, as a client of the protocol gets them. */
class ZpciCapabilitiesTest {

    @Test
    void aFunctionWithoutZpciDataIsServedAsEverywhere() {
        try (ServedFunction plain = served(EmulatedZpci.plainFunction())) {
            assertThat(plain.file().info().capabilities()).isEmpty();
            assertThat(plain.number(VFIO_PCI_CONFIG_REGION_INDEX, 0, 4)).isEqualTo(0x1016_15b3);
        }
    }

    @Test
    void aFunctionWithoutAUtilityStringHasThreeCapabilities() {
        try (ServedFunction nameless = served(new EmulatedZpci(Optional.empty()).pciFunction())) {
            assertThat(nameless.file().info().capabilities())
                    .extracting(VfioInfoCapability::id)
                    .containsExactly(
                            VFIO_DEVICE_INFO_CAP_ZPCI_BASE,
                            VFIO_DEVICE_INFO_CAP_ZPCI_GROUP,
                            VFIO_DEVICE_INFO_CAP_ZPCI_PFIP);
        }
    }

    @Test
    void everyFieldIsWhereTheHeaderHasIt() {
        try (ServedFunction named = served(new EmulatedZpci(Optional.of("NETWORK CARD 7")).pciFunction())) {
            List<VfioInfoCapability> capabilities = named.file().info().capabilities();
            assertThat(capabilities).hasSize(4);
            assertCapability(
                    capabilities.get(0),
                    VFIO_DEVICE_INFO_CAP_ZPCI_BASE,
                    3,
                    "0000000001000000ffffffffff010000c401feff800002816745238120000000");
            assertCapability(
                    capabilities.get(1),
                    VFIO_DEVICE_INFO_CAP_ZPCI_GROUP,
                    2,
                    "01000000000000800000e0fe000000000100000000000000a00f00088000010000ff000000000000");
            assertCapability(
                    capabilities.get(2),
                    VFIO_DEVICE_INFO_CAP_ZPCI_UTIL,
                    1,
                    "40000000" + "d5c5e3e6d6d9d240c3c1d9c440f7" + "40".repeat(50));
            assertCapability(capabilities.get(3), VFIO_DEVICE_INFO_CAP_ZPCI_PFIP, 1, "04000000102030f0");
            byte[] body = capabilities.get(2).body();
            assertThat(new String(body, 4, 64, EmulatedZpci.EBCDIC).strip()).isEqualTo("NETWORK CARD 7");
        }
    }

    /** A body may be longer than what it holds, by the padding that keeps the next capability aligned. */
    private static void assertCapability(VfioInfoCapability capability, int id, int version, String body) {
        byte[] expected = HexFormat.of().parseHex(body);
        assertThat(capability.id()).isEqualTo(id);
        assertThat(capability.version()).isEqualTo(version);
        assertThat(HexFormat.of().formatHex(Arrays.copyOf(capability.body(), expected.length)))
                .isEqualTo(body);
        assertThat(capability.body().length - expected.length).isBetween(0, 7);
    }

    private static ServedFunction served(PciFunction function) {
        return ServedFunction.of(ServedFunction.bus().add(PciAddress.parse("00:00.0"), function));
    }
}
