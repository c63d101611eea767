package org.vfio4j.vfiopcix86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;

import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Type;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfiopci.testing.ServedFunction;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** The configuration spaces of host bridge and LPC bridge, which drivers of integrated graphics look into. */
class BridgeRegionTest {

    private static final int HOST = 10;
    private static final int LPC = 11;

    private final PciFunction hostBridge = EmulatedGraphics.bridge(0x8086, 0x5914, 0x060000);
    private final PciFunction lpcBridge = EmulatedGraphics.bridge(0x8086, 0x9d4e, 0x060100);
    private final PciBus bus = ServedFunction.bus();

    @Test
    void refusesBridgesOfOthers() {
        bus.add(PciAddress.parse("00:00.0"), EmulatedGraphics.bridge(0x1022, 0x1450, 0x060000));
        PciDevice igd = igd();
        assertThatThrownBy(() -> VfioPciCore.create("test", igd))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                .hasMessageContaining(
                        "the bridge at 0000:00:00.0 is of vendor 1022 and class 0600, 8086 and 0600 are needed");
    }

    @Test
    void refusesABridgeOfAnotherKind() {
        bus.add(PciAddress.parse("00:1f.0"), EmulatedGraphics.bridge(0x8086, 0x9d4e, 0x060400));
        PciDevice igd = igd();
        assertThatThrownBy(() -> VfioPciCore.create("test", igd)).hasMessageContaining("class 0604, 8086 and 0601");
    }

    @Test
    void aMachineWithoutThemHasNoRegions() {
        assertThat(VfioPciCore.create("test", igd()).info().numRegions()).isEqualTo(HOST);
    }

    @Test
    void showsBothAndLetsNobodyWrite() {
        bus.add(PciAddress.parse("00:00.0"), hostBridge);
        bus.add(PciAddress.parse("00:1f.0"), lpcBridge);
        try (ServedFunction igd = ServedFunction.of(igd())) {
            assertThat(igd.file().info().numRegions()).isEqualTo(LPC + 1);
            assertShows(igd, HOST, 2, hostBridge);
            assertShows(igd, LPC, 3, lpcBridge);
        }
    }

    @Test
    void anyAlignmentIsRead() {
        bus.add(PciAddress.parse("00:00.0"), hostBridge);
        try (ServedFunction igd = ServedFunction.of(igd())) {
            assertThat(igd.read(HOST, 0x51, 5)).containsExactly(0x01, 0, 0, 0, 0);
            assertThat(igd.read(HOST, 1, 6)).containsExactly(0x80, 0x14, 0x59, 0, 0, 0);
        }
    }

    private static void assertShows(ServedFunction igd, int region, int subtype, PciFunction bridge) {
        VfioRegionInfo info = igd.file().regionInfo(region);
        assertThat(VfioRegionCapabilities.type(info.capabilities())).contains(new Type(0x8000_8086, subtype));
        assertThat(info.sizeBytes()).isEqualTo(bridge.configSize());
        assertThat(info.flags()).isEqualTo(VFIO_REGION_INFO_FLAG_READ);
        for (int at = 0; at < bridge.configSize(); at += 4) {
            assertThat((int) igd.number(region, at, 4)).isEqualTo(bridge.configRead(at, 4));
        }
        assertThatThrownBy(() -> igd.write(region, 0x50, 4, 0))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
    }

    private PciDevice igd() {
        return bus.add(PciAddress.parse("00:02.0"), new EmulatedGraphics(0x200).function());
    }
}
