package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;

/** A bridge's configuration space (PCI-to-PCI Bridge 1.2, 3.2). */
class EmulatedBridgeTest {

    private final EmulatedBridge bridge =
            new EmulatedBridge(0x1b36, 0xc, EmulatedBridge.Port.ROOT, new EmulatedBridge.Buses(0, 5, 9));

    @Test
    void itsHeaderIsOfTypeOneWithThreeBusNumbers() {
        assertThat(bridge.configRead(PCI_HEADER_TYPE, 1)).isEqualTo(PCI_HEADER_TYPE_BRIDGE);
        assertThat(bridge.configRead(PCI_CLASS_REVISION, 4) >>> 8).isEqualTo(0x060400);
        assertThat(bridge.configRead(PCI_PRIMARY_BUS, 4)).isEqualTo(0x0009_0500);
        bridge.configWrite(PCI_PRIMARY_BUS, 4, -1);
        assertThat(bridge.configRead(PCI_PRIMARY_BUS, 4)).isEqualTo(0x0009_0500);
        assertThat(bridge.configSize()).isEqualTo(4096);
    }

    @ParameterizedTest
    @CsvSource({"ROOT,4", "UPSTREAM,5", "DOWNSTREAM,6"})
    void itsExpressCapabilityTellsWhichPortItIs(EmulatedBridge.Port port, int type) {
        EmulatedBridge one = new EmulatedBridge(0x15b3, 0x1978, port, new EmulatedBridge.Buses(5, 6, 9));
        int power = one.configRead(PCI_CAPABILITY_LIST, 1);
        assertThat(one.configRead(power, 1)).isEqualTo(PCI_CAP_ID_PM);
        int express = one.configRead(power + 1, 1);
        assertThat(one.configRead(express, 1)).isEqualTo(PCI_CAP_ID_EXP);
        assertThat(one.configRead(express + PCI_EXP_FLAGS, 2)).isEqualTo(type << 4 | 2);
        // A port is never reset by its own function level reset.
        assertThat(one.configRead(express + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR)
                .isZero();
        one.configWrite(express + PCI_EXP_DEVCTL, 2, -1);
        assertThat(one.configRead(express + PCI_EXP_DEVCTL, 2)).isEqualTo(0x7fff);
    }

    @Test
    void itsWindowsKeepTheBitsThatTellTheirWidth() {
        bridge.configWrite(PCI_MEMORY_BASE, 4, 0x1ff5_1ff3);
        assertThat(bridge.configRead(PCI_MEMORY_BASE, 4)).isEqualTo(0x1ff0_1ff0);
        bridge.configWrite(PCI_PREF_MEMORY_BASE, 4, 0x1ff0_1ff0);
        assertThat(bridge.configRead(PCI_PREF_MEMORY_BASE, 4)).isEqualTo(0x1ff1_1ff1);
        bridge.reset();
        assertThat(bridge.configRead(PCI_PREF_MEMORY_BASE, 4)).isEqualTo(0x0001_0001);
        assertThat(bridge.configRead(PCI_SECONDARY_BUS, 1)).isEqualTo(5);
    }

    @Test
    void itHasNoBars() {
        assertThat(bridge.bars()).isEmpty();
        assertThat(bridge.configRead(PCI_BASE_ADDRESS_0, 4)).isZero();
        assertThatThrownBy(() -> bridge.barRead(0, 0, 4)).hasMessageContaining("a bridge has none");
        assertThatThrownBy(() -> bridge.barWrite(0, 0, 4, 0)).hasMessageContaining("a bridge has none");
    }

    @Test
    void theBusSeesWhatIsBehindIt() {
        PciBus bus = new PciBus();
        PciDevice port = bus.add(PciAddress.parse("0000:00:02.0"), bridge);
        EmulatedBridge second =
                new EmulatedBridge(0x15b3, 0x1978, EmulatedBridge.Port.UPSTREAM, new EmulatedBridge.Buses(5, 6, 9));
        PciDevice behind = bus.add(PciAddress.parse("0000:05:00.0"), second);
        assertThat(behind.upstream()).contains(port);
        assertThat(bridge.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }
}
