package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.vfiolinux.MadeMachine.DISK;
import static org.vfio4j.vfiolinux.MadeMachine.NIC;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Giving a function to vfio-pci, and back. */
class HostBindTest {

    @TempDir
    Path root;

    @Test
    void refusesABridge() {
        MadeMachine machine = MadeMachine.withDisk(root);
        byte[] config = new byte[64];
        config[0x0e] = 1;
        machine.bytes("sys/bus/pci/devices/" + DISK + "/config", config);
        assertThatThrownBy(() -> machine.pci().bind(DISK, true)).hasMessageContaining("is a bridge");
        assertThat(machine.writes).isEmpty();
    }

    @Test
    void refusesWithoutTheDriver() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.delete("sys/bus/pci/drivers/vfio-pci/unbind");
        machine.delete("sys/bus/pci/drivers/vfio-pci");
        assertThatThrownBy(() -> machine.pci().bind(DISK, false))
                .hasMessageStartingWith("the kernel has no driver vfio-pci")
                .hasMessageContaining("ENODEV");
    }

    @Test
    void refusesADiskThatIsMounted() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1p2", "259:2");
        machine.text("proc/self/mountinfo", "30 22 259:2 / /home rw - ext4 /dev/nvme0n1p2 rw");
        assertThatThrownBy(() -> machine.pci().bind(DISK, false))
                .hasMessage("0000:00:04.0 is in use: nvme0n1p2 is mounted at /home: EBUSY (Device or resource busy)");
        assertThat(machine.writes).isEmpty();
    }

    @Test
    void refusesWhatAnotherDriverOfVfioHasGivenToAProcess() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(NIC, "mlx5_vfio_pci", 0x020000, 9);
        machine.process(4711, "qemu-system-x86", 9);
        assertThatThrownBy(() -> machine.pci().bind(NIC, true))
                .hasMessage("0000:02:00.0 is in use: its IOMMU group is open, " + root
                        + "/dev/vfio/9 by process 4711 (qemu-system-x86): EBUSY (Device or resource busy)");
        assertThat(machine.writes).isEmpty();
        machine.open.clear();
        assertThat(machine.pci().bind(NIC, false).driver()).isEqualTo("vfio-pci");
    }

    @Test
    void refusesToUnbindWhatAProcessHas() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.pci().bind(DISK, false);
        machine.writes.clear();
        machine.process(4711, "java", 7);
        assertThatThrownBy(() -> machine.pci().unbind(DISK)).hasMessageContaining("by process 4711 (java): EBUSY");
        assertThat(machine.writes).isEmpty();
        machine.open.clear();
        assertThat(machine.pci().unbind(DISK).driver()).isEqualTo("nvme");
    }

    @Test
    void takesADiskThatIsMountedByForce() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:1");
        machine.text("proc/swaps", "/dev/nvme0n1 partition 1024 0 -2");
        assertThat(machine.pci().bind(DISK, true).driver()).isEqualTo("vfio-pci");
    }

    @Test
    void bindsByOverride() {
        MadeMachine machine = MadeMachine.withDisk(root);
        HostFunction bound = machine.pci().bind(DISK, false);
        assertThat(bound.driver()).isEqualTo("vfio-pci");
        assertThat(bound.driverOverride()).isEqualTo("vfio-pci");
        assertThat(machine.writes)
                .containsExactly(
                        "devices/0000:00:04.0/driver_override vfio-pci",
                        "drivers/nvme/unbind 0000:00:04.0",
                        "drivers_probe 0000:00:04.0");
    }

    @Test
    void bindsAFunctionWithoutADriver() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(NIC, "", 0x020000, 9);
        assertThat(machine.pci().bind(NIC, false).driver()).isEqualTo("vfio-pci");
    }

    @Test
    void leavesAFunctionThatIsBoundAlone() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.pci().bind(DISK, false);
        machine.writes.clear();
        machine.pci().bind(DISK, false);
        assertThat(machine.writes).isEmpty();
    }

    @Test
    void givesBackWhatVfioPciDoesNotTake() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.refused = DISK;
        assertThatThrownBy(() -> machine.pci().bind(DISK, false))
                .hasMessage("vfio-pci did not take 0000:00:04.0: the kernel's log says why: EIO (Input/output error)");
        HostFunction function = machine.pci().function(DISK);
        assertThat(function.driver()).isEqualTo("nvme");
        assertThat(function.driverOverride()).isEmpty();
    }

    @Test
    void unbindBringsTheKernelsDriverBack() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.pci().bind(DISK, false);
        HostFunction function = machine.pci().unbind(DISK);
        assertThat(function.driver()).isEqualTo("nvme");
        assertThat(function.driverOverride()).isEmpty();
    }

    @Test
    void unbindLeavesADriverOfTheKernelsOwnAlone() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.text("sys/bus/pci/devices/" + DISK + "/driver_override", "vfio-pci");
        HostFunction function = machine.pci().unbind(DISK);
        assertThat(function.driverOverride()).isEmpty();
        assertThat(machine.writes).containsExactly("devices/0000:00:04.0/driver_override ");
        assertThat(function.driver()).isEqualTo("nvme");
    }

    @Test
    void unbindRefusesWhatHasVirtualFunctions() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.pci().bind(DISK, false);
        machine.writes.clear();
        machine.text("sys/bus/pci/devices/" + DISK + "/sriov_numvfs", "2");
        assertThatThrownBy(() -> machine.pci().unbind(DISK))
                .hasMessage("0000:00:04.0 has 2 virtual functions on: sriov_numvfs: EBUSY (Device or resource busy)");
        assertThat(machine.writes).isEmpty();
    }

    @Test
    void withoutAnIommuTheDriverStays() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(NIC, "igb", 0x020000, -1);
        assertThatThrownBy(() -> machine.pci().bind(NIC, true))
                .hasMessageContaining("no IOMMU group")
                .hasMessageContaining("ENODEV");
        assertThat(machine.writes).isEmpty();
    }

    @Test
    void anOverrideThatWasThereIsThereAfterAFailure() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.text("sys/bus/pci/devices/" + DISK + "/driver_override", "nvme");
        machine.refused = DISK;
        assertThatThrownBy(() -> machine.pci().bind(DISK, false)).hasMessageContaining("did not take");
        HostFunction function = machine.pci().function(DISK);
        assertThat(function.driverOverride()).isEqualTo("nvme");
        assertThat(function.driver()).isEqualTo("nvme");
    }

    @Test
    void refusesToUnbindWhatIsNotBound() {
        MadeMachine machine = MadeMachine.withDisk(root);
        assertThatThrownBy(() -> machine.pci().unbind(DISK))
                .hasMessage("0000:00:04.0 is not bound to vfio-pci: its driver is nvme: EINVAL (Invalid argument)");
    }

    @Test
    void writesThatTheSystemRefusesNameTheFile() {
        MadeMachine.withDisk(root).delete("sys/bus/pci/devices/" + DISK + "/driver_override");
        assertThatThrownBy(() -> new HostPci(root).bind(DISK, false))
                .hasMessageContaining("driver_override")
                .hasMessageEndingWith("ENOENT (No such file or directory)");
    }
}
