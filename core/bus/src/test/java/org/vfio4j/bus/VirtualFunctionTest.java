package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.uapi.PciRegs.*;

import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The registers that a virtual function does not implement read as any other function's (PCI Express Base 6.0, 9.3.4). */
class VirtualFunctionTest {

    private final PciBus bus = new PciBus();
    private final FakePhysicalFunction physical = new FakePhysicalFunction();
    private final FakeFunction hardware = physical.virtuals.getFirst();
    private Optional<PciDevice> device = Optional.empty();

    @BeforeEach
    void enable() {
        bus.register(new FakePhysicalDriver());
        PciDevice owner = bus.add(FIRST, physical);
        bus.setNumVfs(owner, 1);
        device = Optional.of(owner.sriov().orElseThrow().virtualFunctions().getFirst());
    }

    @Test
    void idsAreThePhysicalFunctionsToSay() {
        assertThat(hardware.configRead(PCI_VENDOR_ID, 4)).isEqualTo(-1);
        assertThat(function().configRead(PCI_VENDOR_ID, 2)).isEqualTo(FakeFunction.VENDOR);
        assertThat(function().configRead(PCI_DEVICE_ID, 2)).isEqualTo(FakePhysicalFunction.VF_DEVICE);
        assertThat(function().configRead(PCI_VENDOR_ID + 1, 1)).isEqualTo(FakeFunction.VENDOR >> 8);
        assertThat(function().configRead(PCI_SUBSYSTEM_ID, 2)).isEqualTo(FakeFunction.SUBDEVICE);
    }

    @Test
    void barsHoldTheirAddressesAndGiveTheirSizesAway() {
        long start = device.orElseThrow().resources().getFirst().start();
        assertThat(function().configRead(PCI_BASE_ADDRESS_0, 4)).isEqualTo((int) start | 0xc);
        assertThat(function().configRead(PCI_BASE_ADDRESS_1, 4)).isEqualTo((int) (start >>> 32));
        function().configWrite(PCI_BASE_ADDRESS_0, 4, -1);
        function().configWrite(PCI_BASE_ADDRESS_1, 4, -1);
        function().configWrite(PCI_BASE_ADDRESS_2, 4, -1);
        assertThat(function().configRead(PCI_BASE_ADDRESS_0, 4)).isEqualTo(-0x4000 | 0xc);
        assertThat(function().configRead(PCI_BASE_ADDRESS_1, 4)).isEqualTo(-1);
        assertThat(function().configRead(PCI_BASE_ADDRESS_2, 4)).isZero();
        function().configWrite(PCI_BASE_ADDRESS_0 + 2, 2, 0x1234);
        function().configWrite(PCI_BASE_ADDRESS_0 + 1, 1, 0xff);
        assertThat(function().configRead(PCI_BASE_ADDRESS_0, 4)).isEqualTo(0x1234_c00c);
        assertThat(hardware.configRead(PCI_BASE_ADDRESS_0, 4)).isZero();
    }

    @Test
    void memoryEnableCanBeWrittenAndIsOffAfterAReset() {
        assertThat(function().configRead(PCI_COMMAND, 2)).isZero();
        function().configWrite(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_IO);
        assertThat(function().configRead(PCI_COMMAND, 2)).isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        function().configWrite(PCI_COMMAND + 1, 1, 4);
        assertThat(function().configRead(PCI_COMMAND, 2))
                .isEqualTo(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
        function().reset();
        assertThat(function().configRead(PCI_COMMAND, 2) & PCI_COMMAND_MEMORY).isZero();
        assertThat(function().configRead(PCI_BASE_ADDRESS_0, 4)).isEqualTo(0xc);
    }

    @Test
    void ithasNoInterruptPinAndNoExpansionRom() {
        assertThat(function().configRead(PCI_INTERRUPT_PIN, 1)).isZero();
        assertThat(function().romSizeBytes()).isZero();
        assertThat(function().virtualFunction(0)).isEmpty();
    }

    @Test
    void whatItImplementsPassesThrough() {
        function().configWrite(0x200, 4, 0x1234_5678);
        assertThat(hardware.configRead(0x200, 4)).isEqualTo(0x1234_5678);
        assertThat(function().configRead(0x202, 2)).isEqualTo(0x1234);
        assertThat(function().configSize()).isEqualTo(4096);
        assertThat(function().bars()).extracting(PciBar::index).containsExactly(0, 3);
    }

    private PciFunction function() {
        return device.orElseThrow().function();
    }
}
