package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;

/** The SR-IOV capability of a physical function and the registers of a virtual one (PCI Express Base 6.0, 9.3). */
class SriovCapabilityTest {

    private static final int TOTAL = 3;
    private static final PciBar BAR0 = new PciBar(0, 8192, PciBar.Kind.MEM64, true);
    private static final PciBar BAR3 = new PciBar(3, 4096, PciBar.Kind.MEM32, false);

    private final List<String> resets = new ArrayList<>();
    private final List<Integer> made = new ArrayList<>();
    private final EmulatedFunction physical = physical(List.of(BAR0, BAR3));

    @Test
    void refusesPartsThatCannotBe() {
        assertRefused(() -> new VirtualFunctions(0, 1, 1, 1, List.of(), i -> virtual(i)), "0: 1 to 65535");
        assertRefused(() -> new VirtualFunctions(1 << 16, 1, 1, 1, List.of(), i -> virtual(i)), "65536");
        assertRefused(() -> new VirtualFunctions(1, 1, 0, 1, List.of(), i -> virtual(i)), "offset");
        assertRefused(() -> new VirtualFunctions(2, 1, 1, 0, List.of(), i -> virtual(i)), "stride");
        PciBar small = new PciBar(0, 2048, PciBar.Kind.MEM32, false);
        PciBar io = new PciBar(0, 4096, PciBar.Kind.IO, false);
        assertRefused(() -> new VirtualFunctions(1, 1, 1, 0, List.of(small), i -> virtual(i)), "4096");
        assertRefused(() -> new VirtualFunctions(1, 1, 1, 0, List.of(io), i -> virtual(i)), "memory");
        EmulatedFunctionBuilder pin =
                new EmulatedFunctionBuilder(1, 2).virtualFunction().intx();
        assertRefused(() -> pin.build(new Resets("pin")), "interrupt pin");
    }

    @Test
    void refusesVirtualFunctionsWithOtherBars() {
        EmulatedFunction wrong = physical(List.of(BAR3));
        write(wrong, PCI_SRIOV_NUM_VF, 1);
        assertRefused(() -> write(wrong, PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE), "virtual function 0 has the BARs");
    }

    @Test
    void saysWhatItCanHave() {
        assertThat(physical.configRead(0x100, 4)).isEqualTo(PCI_EXT_CAP_ID_DSN | 1 << 16 | at() << 20);
        assertThat(physical.configRead(at(), 4)).isEqualTo(PCI_EXT_CAP_ID_SRIOV | 1 << 16);
        assertThat(read(PCI_SRIOV_TOTAL_VF)).isEqualTo(TOTAL);
        assertThat(read(PCI_SRIOV_INITIAL_VF)).isEqualTo(TOTAL);
        assertThat(read(PCI_SRIOV_VF_OFFSET)).isEqualTo(8);
        assertThat(read(PCI_SRIOV_VF_STRIDE)).isEqualTo(2);
        assertThat(read(PCI_SRIOV_VF_DID)).isEqualTo(0x154c);
        write(physical, PCI_SRIOV_TOTAL_VF, 9);
        assertThat(read(PCI_SRIOV_TOTAL_VF)).isEqualTo(TOTAL);
        physical.configWrite(at() + PCI_SRIOV_BAR, 4, -1);
        assertThat(physical.configRead(at() + PCI_SRIOV_BAR, 4)).isEqualTo(-8192 | 0xc);
    }

    @Test
    void thereAreAsManyAsAreEnabledAndNoMoreThanThereCanBe() {
        assertThat(physical.virtualFunction(0)).isEmpty();
        write(physical, PCI_SRIOV_NUM_VF, 2);
        assertThat(physical.virtualFunction(0)).isEmpty();
        assertThat(made).isEmpty();
        write(physical, PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
        assertThat(physical.virtualFunction(1)).isPresent();
        assertThat(physical.virtualFunction(2)).isEmpty();
        assertThat(physical.virtualFunction(-1)).isEmpty();
        write(physical, PCI_SRIOV_NUM_VF, 3);
        assertThat(read(PCI_SRIOV_NUM_VF)).isEqualTo(2);
        write(physical, PCI_SRIOV_CTRL, 0);
        write(physical, PCI_SRIOV_NUM_VF, 100);
        assertThat(read(PCI_SRIOV_NUM_VF)).isEqualTo(TOTAL);
        write(physical, PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE);
        assertThat(made).containsExactly(0, 1, 2);
    }

    @Test
    void turningThemOffResetsThemAndAResetOfThePhysicalFunctionDoesNot() {
        write(physical, PCI_SRIOV_NUM_VF, 2);
        write(physical, PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE);
        Optional<PciFunction> first = physical.virtualFunction(0);
        physical.reset();
        assertThat(resets).containsExactly("physical");
        assertThat(read(PCI_SRIOV_CTRL)).isZero();
        assertThat(read(PCI_SRIOV_NUM_VF)).isZero();
        assertThat(physical.virtualFunction(0)).isEmpty();
        write(physical, PCI_SRIOV_NUM_VF, 2);
        write(physical, PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE);
        assertThat(physical.virtualFunction(0)).isEqualTo(first);
        write(physical, PCI_SRIOV_CTRL, 0);
        assertThat(resets).containsExactly("physical", "virtual 0", "virtual 1");
    }

    @Test
    void aVirtualFunctionHasNoIdsNoBarsAndNoMemoryEnable() {
        EmulatedFunction virtual = virtual(0);
        assertThat(virtual.configRead(PCI_VENDOR_ID, 4)).isEqualTo(-1);
        virtual.configWrite(PCI_BASE_ADDRESS_0, 4, -1);
        assertThat(virtual.configRead(PCI_BASE_ADDRESS_0, 4)).isZero();
        virtual.configWrite(PCI_COMMAND, 2, 0xffff);
        assertThat(virtual.configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MASTER);
        assertThat(virtual.bars()).containsExactly(BAR0, BAR3);
        assertThat(virtual.barRead(0, 0, 4)).isEqualTo(5);
    }

    @Test
    void aBusFindsAndUsesIt() {
        PciBus bus = new PciBus();
        PciDevice device = bus.add(PciAddress.parse("01:00.0"), physical);
        bus.enableSriov(device, 2, Optional.empty());
        assertThat(bus.devices())
                .extracting(PciDevice::toString)
                .containsExactly("0000:01:00.0", "0000:01:01.0", "0000:01:01.2");
        PciDevice last = bus.devices().getLast();
        assertThat(last.modalias()).startsWith("pci:v00008086d0000154Csv00000001sd00000002bc02sc00i00");
        last.function().barWrite(0, 0, 4, 9);
        assertThat(last.function().barRead(0, 0, 4)).isEqualTo(9);
        device.function().reset();
        assertThat(last.function().barRead(0, 0, 4)).isEqualTo(9);
        bus.disableSriov(device, PciBus.FOREVER);
        bus.enableSriov(device, 2, Optional.empty());
        assertThat(bus.devices().getLast().function().barRead(0, 0, 4)).isEqualTo(5);
    }

    private EmulatedFunction physical(List<PciBar> bars) {
        return new EmulatedFunctionBuilder(0x8086, 0x1572)
                .classCode(0x020000, 1)
                .pciExpress()
                .serialNumber(1)
                .sriov(new VirtualFunctions(TOTAL, 0x154c, 8, 2, bars, this::virtual))
                .build(new Resets("physical"));
    }

    private EmulatedFunction virtual(int index) {
        made.add(index);
        RegisterSet registers =
                RegisterSet.of(16, Register.at(0, 4, "r").reset(5).writable());
        Resets device = new Resets("virtual " + index);
        device.onReset = registers::reset;
        return new EmulatedFunctionBuilder(0x8086, 0x154c)
                .subsystem(1, 2)
                .classCode(0x020000, 1)
                .virtualFunction()
                .bar(BAR3, registers)
                .bar(BAR0, registers)
                .pciExpress()
                .build(device);
    }

    private int at() {
        return 0x10c;
    }

    private int read(int register) {
        return physical.configRead(at() + register, 2);
    }

    private void write(PciFunction function, int register, int value) {
        function.configWrite(at() + register, 2, value);
    }

    private static void assertRefused(org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String why) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(why);
    }

    private final class Resets implements DeviceModel {

        private final String name;
        Runnable onReset = () -> {};

        Resets(String name) {
            this.name = name;
        }

        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {
            resets.add(name);
            onReset.run();
        }

        @Override
        public void busMasterChanged(boolean enabled) {}
    }
}
