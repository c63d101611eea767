package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.vfiolinux.MadeMachine.DISK;
import static org.vfio4j.vfiolinux.MadeMachine.NIC;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.PciAddress;

/** What a machine's functions look like in /sys. */
class HostPciTest {

    @TempDir
    Path root;

    @Test
    void tellsWhatAFunctionIs() {
        MadeMachine machine = MadeMachine.withDisk(root);
        assertThat(machine.pci().function(DISK))
                .isEqualTo(new HostFunction(
                        DISK,
                        0x1b36,
                        0x0010,
                        0x1af4,
                        0x1100,
                        0x010802,
                        false,
                        "nvme",
                        OptionalInt.of(7),
                        List.of(),
                        "",
                        "",
                        true));
    }

    @Test
    void refusesAFunctionThatIsNotThere() {
        assertThatThrownBy(() -> MadeMachine.withDisk(root).pci().function(NIC))
                .hasMessageStartingWith("no PCI function 0000:02:00.0 in ")
                .hasMessageEndingWith("ENODEV (No such device)");
    }

    @Test
    void listsFunctionsInOrder() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(NIC, "igb", 0x020000, 9);
        machine.function(DISK, "nvme", 0x010802, 7);
        assertThat(machine.pci().functions().stream().map(HostFunction::address))
                .containsExactly(DISK, NIC);
    }

    @Test
    void leavesOutDomainsThatAddressesDoNotHave() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.link("sys/bus/pci/devices/10000:00:00.0", "sys/devices/pci10000:00/10000:00:00.0");
        assertThat(machine.pci().functions()).hasSize(1);
    }

    @Test
    void aMachineWithoutPciHasNoFunctions() {
        assertThat(new HostPci(root).functions()).isEmpty();
    }

    @Test
    void namesTheOthersOfAGroup() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.function(NIC, "igb", 0x020000, 7);
        assertThat(machine.pci().function(DISK).groupMembers()).containsExactly(NIC);
    }

    @Test
    void aGroupWithoutTranslationIsNone() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.text("sys/kernel/iommu_groups/7/name", "vfio-noiommu");
        assertThat(machine.pci().function(DISK).iommuGroup()).isEmpty();
    }

    @Test
    void namesTheVfioDevice() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.text("sys/bus/pci/devices/" + DISK + "/vfio-dev/vfio3/dev", "508:3");
        assertThat(machine.pci().function(DISK).vfioDevice()).isEqualTo("vfio3");
    }

    @Test
    void thoseOfAGroupAreInTheWayThatHaveDriversOfTheKernels() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.function(NIC, "igb", 0x020000, 7);
        machine.function(PciAddress.parse("0000:02:00.1"), "", 0x020000, 7);
        machine.function(PciAddress.parse("0000:02:00.2"), "vfio-pci", 0x020000, 7);
        machine.function(PciAddress.parse("0000:02:00.3"), "pci-stub", 0x020000, 7);
        HostFunction disk = machine.pci().function(DISK);
        assertThat(machine.pci().inTheWay(disk))
                .extracting(HostFunction::address)
                .containsExactly(NIC);
    }

    @Test
    void aVirtualFunctionHasTheIdsByWhichTheKernelKnowsIt() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(NIC, "vfio-pci", 0x020000, 9);
        byte[] config = new byte[64];
        Arrays.fill(config, 0, 4, (byte) 0xff);
        config[8] = 1;
        machine.bytes("sys/bus/pci/devices/" + NIC + "/config", config);
        assertThat(Arrays.copyOf(machine.pci().config(NIC), 4))
                .as("of one that does not answer")
                .containsOnly(0xff);
        machine.link("sys/devices/pci0000:02/" + NIC + "/physfn", "sys/devices/pci0000:02/0000:01:00.0");
        assertThat(Arrays.copyOf(machine.pci().config(NIC), 9)).containsExactly(0x36, 0x1b, 0x10, 0, 0, 0, 0, 0, 1);
        machine.bytes("sys/bus/pci/devices/" + NIC + "/config", new byte[0]);
        assertThat(machine.pci().config(NIC)).isEmpty();
    }

    @Test
    void aBridgeIsKnownByItsHeader() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(DISK, "pcieport", 0, 1);
        byte[] config = new byte[64];
        config[0x0e] = (byte) 0x81;
        machine.bytes("sys/bus/pci/devices/" + DISK + "/config", config);
        assertThat(machine.pci().function(DISK).bridge()).isTrue();
    }

    @Test
    void bridgesOfTheMachineHaveNoSuchHeader() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(DISK, "", 0x060100, 1);
        assertThat(machine.pci().function(DISK).bridge()).isTrue();
    }

    @Test
    void whatCannotBeReadIsNothing() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.text("sys/bus/pci/devices/" + DISK + "/vendor", "nonsense");
        machine.delete("sys/bus/pci/devices/" + DISK + "/class");
        HostFunction function = machine.pci().function(PciAddress.parse("00:04.0"));
        assertThat(function.vendor()).isZero();
        assertThat(function.pciClass()).isZero();
    }
}
