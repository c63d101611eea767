package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;

/** The configuration space of a declared function (PCI Local Bus 3.0, 6; PCI Express Base 6.0, 7.5). */
class EmulatedFunctionTest {

    private final List<String> events = new ArrayList<>();
    private final RegisterSet registers =
            RegisterSet.of(16, Register.at(0, 4, "r").writable());
    private final EmulatedFunction function = builder().build(new Events());

    @Test
    void refusesBarsInOnePlace() {
        EmulatedFunctionBuilder twice = builder().bar(new PciBar(3, 16, PciBar.Kind.MEM32, false), registers);
        assertThatThrownBy(() -> twice.build(new Events())).hasMessageContaining("its place is taken");
    }

    @Test
    void refusesMoreCapabilitiesThanFit() {
        EmulatedFunctionBuilder builder = builder().capability(Capability.vendorSpecific(200, at -> List.of()));
        assertThatThrownBy(() -> builder.build(new Events())).hasMessageContaining("the limit is 256");
    }

    @Test
    void refusesAccessToBarsThatAreNotThere() {
        assertThatThrownBy(() -> function.barRead(0, 0, 4)).hasMessageContaining("BAR 0");
        assertThatThrownBy(() -> function.barWrite(3, 0, 4, 0)).hasMessageContaining("BAR 3");
    }

    @Test
    void refusesARegisterWhereAnotherIs() {
        EmulatedFunctionBuilder builder = builder().register(Register.at(PCI_COMMAND, 4, "twice"));
        assertThatThrownBy(() -> builder.build(new Events())).hasMessageContaining("both cover byte 4");
    }

    @Test
    void hasRegistersOutsideCapabilitiesAndWhatThePlatformSays() {
        EmulatedFunction igd = builder()
                .register(Register.at(0xfc, 4, "ASLS").reset(0x7a00_0000).writable())
                .platform(String.class, "firmware")
                .build(new Events());
        assertThat(igd.configRead(0xfc, 4)).isEqualTo(0x7a00_0000);
        assertThat(igd.platform(String.class)).contains("firmware");
        assertThat(igd.platform(Integer.class)).isEmpty();
    }

    @Test
    void tellsItsIds() {
        assertThat(function.configRead(PCI_VENDOR_ID, 4)).isEqualTo(0x5678_1234);
        assertThat(function.configRead(PCI_REVISION_ID, 4)).isEqualTo(0x0108_0203);
        assertThat(function.configRead(PCI_SUBSYSTEM_VENDOR_ID, 4)).isEqualTo(0x0002_0001);
        function.configWrite(PCI_VENDOR_ID, 4, -1);
        assertThat(function.configRead(PCI_VENDOR_ID, 4)).isEqualTo(0x5678_1234);
    }

    @Test
    void chainsEveryCapability() {
        List<Integer> ids = new ArrayList<>();
        for (int at = function.configRead(PCI_CAPABILITY_LIST, 1); at != 0; at = function.configRead(at + 1, 1)) {
            assertThat(at % 4).isZero();
            ids.add(function.configRead(at, 1));
        }
        assertThat(ids).containsExactly(PCI_CAP_ID_PM, PCI_CAP_ID_EXP, PCI_CAP_ID_MSIX, PCI_CAP_ID_MSI);
        assertThat(function.configRead(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST).isNotZero();
        assertThat(function.configRead(0x100, 4)).isEqualTo(0x0001_0003);
        assertThat(function.configRead(0x104, 4)).isEqualTo(0x89ab_cdef);
    }

    @Test
    void givesBarSizesAway() {
        function.configWrite(PCI_BASE_ADDRESS_2, 4, -1);
        function.configWrite(PCI_BASE_ADDRESS_3, 4, -1);
        assertThat(function.configRead(PCI_BASE_ADDRESS_2, 4)).isEqualTo(-16384 | 0xc);
        assertThat(function.configRead(PCI_BASE_ADDRESS_3, 4)).isEqualTo(-1);
        function.configWrite(PCI_BASE_ADDRESS_1, 4, -1);
        assertThat(function.configRead(PCI_BASE_ADDRESS_1, 4)).isEqualTo(-4096);
        assertThat(function.bars()).extracting(PciBar::index).containsExactly(1, 2);
    }

    @Test
    void hasTheRomThatItIsGiven() {
        assertThat(function.romSizeBytes()).isZero();
        byte[] image = new byte[2049];
        image[0] = 0x55;
        image[1] = (byte) 0xaa;
        image[2048] = 7;
        EmulatedFunction withRom = builder().rom(image).build(new Events());
        assertThat(withRom.romSizeBytes()).isEqualTo(4096);
        assertThat(withRom.romRead(0, 4)).isEqualTo(0xaa55);
        assertThat(withRom.romRead(2048, 8)).isEqualTo(7);
        withRom.configWrite(PCI_ROM_ADDRESS, 4, -1);
        assertThat(withRom.configRead(PCI_ROM_ADDRESS, 4)).isEqualTo(0xffff_f001);
    }

    @Test
    void tellsTheDeviceAboutBusMastering() {
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
        function.configWrite(PCI_COMMAND, 2, 0);
        assertThat(events).containsExactly("master true", "master false");
    }

    @Test
    void holdsIntxBackWhileDisabled() {
        List<Boolean> line = new ArrayList<>();
        function.connectIrqs(sink(line, new ArrayList<>()));
        line.clear();
        function.interrupts().intx(true);
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
        assertThat(function.configRead(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT).isNotZero();
        function.configWrite(PCI_COMMAND, 2, 0);
        function.interrupts().intx(false);
        assertThat(line).containsExactly(true, false, true, false);
        assertThat(function.configRead(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT).isZero();
    }

    @Test
    void drivesTheLineOfANewSink() {
        function.interrupts().intx(true);
        List<Boolean> line = new ArrayList<>();
        function.connectIrqs(sink(line, new ArrayList<>()));
        assertThat(line).containsExactly(true);
    }

    @Test
    void enablesMessages() {
        List<Integer> messages = new ArrayList<>();
        function.connectIrqs(sink(new ArrayList<>(), messages));
        assertThat(function.interrupts().msixEnabled()).isFalse();
        function.configWrite(find(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2, 0xffff);
        assertThat(function.configRead(find(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2))
                .isEqualTo(0xc004);
        assertThat(function.interrupts().msixEnabled()).isTrue();
        function.interrupts().message(3);
        assertThat(messages).containsExactly(3);
        function.configWrite(find(PCI_CAP_ID_MSI) + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
        assertThat(function.interrupts().msiEnabled()).isTrue();
    }

    @Test
    void masksEveryMessageAtFirst() {
        assertThat(function.barRead(1, 12, 4)).isEqualTo(1);
        function.barWrite(1, 12, 4, 0);
        function.barWrite(1, 0, 8, 0xfee0_0003L);
        assertThat(function.barRead(1, 0, 8)).isEqualTo(0xfee0_0000L);
        assertThat(function.barRead(1, 5 * 16, 8)).isZero();
        function.reset();
        assertThat(function.barRead(1, 12, 4)).isEqualTo(1);
    }

    @Test
    void resetsOnceForEachFlrBit() {
        int control = find(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
        function.barWrite(2, 0, 4, 7);
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
        function.configWrite(control, 2, PCI_EXP_DEVCTL_BCR_FLR);
        assertThat(events).containsExactly("master true", "reset", "master false");
        assertThat(function.configRead(PCI_COMMAND, 2)).isZero();
        assertThat(function.configRead(control, 2)).isEqualTo(0x2810);
    }

    private EmulatedFunctionBuilder builder() {
        return new EmulatedFunctionBuilder(0x1234, 0x5678)
                .subsystem(1, 2)
                .classCode(0x010802, 3)
                .intx()
                .bar(new PciBar(2, 16384, PciBar.Kind.MEM64, true), registers)
                .powerManagement()
                .pciExpress()
                .msix(5, 1)
                .msi(4)
                .serialNumber(0x0123_4567_89ab_cdefL);
    }

    private int find(int id) {
        int at = function.configRead(PCI_CAPABILITY_LIST, 1);
        while (function.configRead(at, 1) != id) {
            at = function.configRead(at + 1, 1);
        }
        return at;
    }

    private static IrqSink sink(List<Boolean> line, List<Integer> messages) {
        return new IrqSink() {
            @Override
            public void msi(int vector) {
                messages.add(vector);
            }

            @Override
            public void intx(boolean asserted) {
                line.add(asserted);
            }
        };
    }

    private final class Events implements DeviceModel {

        @Override
        public void attachDma(DmaSpace space) {
            events.add("attach");
        }

        @Override
        public void detachDma() {
            events.add("detach");
        }

        @Override
        public void reset() {
            events.add("reset");
        }

        @Override
        public void busMasterChanged(boolean enabled) {
            events.add("master " + enabled);
        }
    }
}
