package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.vfiolinux.MadeMachine.DISK;
import static org.vfio4j.vfiolinux.MadeMachine.NIC;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is in use is known before it is taken away. */
class HostUseTest {

    @TempDir
    Path root;

    @Test
    void aDiskThatNobodyUsesIsFree() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:0");
        assertThat(machine.pci().uses(DISK)).isEmpty();
    }

    @Test
    void aFileSystemOnSeveralDevicesIsKnownByItsSource() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:0");
        machine.text("proc/self/mountinfo", "30 22 0:41 /root / rw shared:1 - btrfs /dev/nvme0n1 rw");
        assertThat(machine.pci().uses(DISK)).containsExactly("nvme0n1 is mounted at /");
    }

    @Test
    void swapIsInUse() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1p3", "259:3");
        machine.text("proc/swaps", "Filename\tType\n/dev/nvme0n1p3 partition 8388604 0 -2");
        assertThat(machine.pci().uses(DISK)).containsExactly("nvme0n1p3 is swap");
    }

    @Test
    void partOfAnotherDeviceIsInUse() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:0");
        machine.text("sys/class/block/nvme0n1/holders/dm-0/dev", "252:0");
        assertThat(machine.pci().uses(DISK)).containsExactly("nvme0n1 is part of dm-0");
    }

    @Test
    void whatALoopDeviceStandsOnIsInUse() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:0");
        machine.block(DISK, "nvme0n1p1", "259:1");
        machine.text("sys/class/block/loop3/loop/backing_file", "/dev/nvme0n1p1");
        machine.text("sys/class/block/loop4/loop/backing_file", "/home/image");
        machine.text("sys/class/block/loop5/dev", "7:5");
        assertThat(machine.pci().uses(DISK)).containsExactly("nvme0n1p1 is behind loop3");
    }

    @Test
    void aDiskOfSeveralPathsStandsElsewhere() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0c0n1", "0:0");
        String disk = "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1";
        machine.text(disk + "/dev", "259:5");
        machine.link("sys/class/block/nvme0n1", disk);
        machine.text("proc/self/mountinfo", "30 22 259:5 / /data rw - xfs /dev/nvme0n1 rw");
        assertThat(machine.pci().uses(DISK)).containsExactly("nvme0n1 is mounted at /data");
    }

    @Test
    void anotherDisksMountIsNot() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.function(NIC, "nvme", 0x010802, 9);
        machine.block(NIC, "nvme1n1", "259:9");
        machine.text("proc/self/mountinfo", "30 22 259:9 / /data rw - xfs /dev/nvme1n1 rw");
        assertThat(machine.pci().uses(DISK)).isEmpty();
    }

    @Test
    void anInterfaceWithTheDefaultRouteIsInUse() {
        MadeMachine machine = nic();
        machine.text("proc/net/route", "Iface Destination\neth0\t00000000\t0102A8C0\neth0\t0002A8C0\t00000000");
        assertThat(machine.pci().uses(NIC)).containsExactly("eth0 has the default route", "eth0 has an address");
    }

    @Test
    void anInterfaceWithAnAddressIsInUse() {
        MadeMachine machine = nic();
        machine.text("proc/net/if_inet6", "20010db8000000000000000000000001 02 40 00 80     eth0");
        assertThat(machine.pci().uses(NIC)).containsExactly("eth0 has an address");
    }

    @Test
    void anInterfaceWithAnAddressThatNoRouteLeadsToIsInUse() {
        MadeMachine machine = nic();
        machine.addressed.add("eth1");
        assertThat(machine.pci().uses(NIC)).isEmpty();
        machine.addressed.add("eth0");
        assertThat(machine.pci().uses(NIC)).containsExactly("eth0 has an address");
    }

    @Test
    void theAddressesOfThisMachineAreKnown() {
        HostKernel own = HostKernel.of(Path.of("/"));
        assertThat(own.hasIpv4Address("lo")).isTrue();
        assertThat(own.hasIpv4Address("none")).isFalse();
        assertThat(HostKernel.of(root).hasIpv4Address("lo")).as("of another").isFalse();
    }

    @Test
    void anInterfaceThatIsUpIsFree() {
        MadeMachine machine = nic();
        machine.text("proc/net/if_inet6", "fe80000000000000505400fffe123456 02 40 20 80     eth0");
        assertThat(machine.pci().uses(NIC)).isEmpty();
    }

    @Test
    void partOfABridgeOrUnderAVlanIsInUse() {
        MadeMachine machine = nic();
        machine.link("sys/class/net/eth0/upper_br0", "sys/devices/virtual/net/br0");
        machine.link("sys/class/net/eth0/upper_eth0.100", "sys/devices/virtual/net/eth0.100");
        assertThat(machine.pci().uses(NIC)).containsExactly("eth0 is under br0", "eth0 is under eth0.100");
    }

    @Test
    void aMountWhoseNameIsInAnotherEncodingHidesNoOther() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:0");
        String mounts = "29 22 0:40 / /media/caf\u00e9 rw - tmpfs x rw\n30 22 259:0 / /data rw - xfs /dev/nvme0n1 rw\n";
        machine.bytes("proc/self/mountinfo", mounts.getBytes(StandardCharsets.ISO_8859_1));
        assertThat(machine.pci().uses(DISK)).containsExactly("nvme0n1 is mounted at /data");
    }

    @Test
    void whatCannotBeReadIsNotTakenForFree() {
        MadeMachine machine = MadeMachine.withDisk(root);
        machine.block(DISK, "nvme0n1", "259:0");
        machine.delete("proc/self/mountinfo");
        machine.text("proc/self/mountinfo/x", "");
        assertThatThrownBy(() -> machine.pci().bind(DISK, false)).hasMessageContaining("proc/self/mountinfo");
        assertThat(machine.writes).isEmpty();
    }

    @Test
    void virtualFunctionsAreUsers() {
        MadeMachine machine = nic();
        machine.text("sys/bus/pci/devices/" + NIC + "/sriov_numvfs", "0");
        assertThat(machine.pci().uses(NIC)).isEmpty();
        machine.text("sys/bus/pci/devices/" + NIC + "/sriov_numvfs", "2");
        assertThat(machine.pci().uses(NIC)).containsExactly("2 virtual functions are on");
    }

    private MadeMachine nic() {
        MadeMachine machine = new MadeMachine(root);
        machine.function(NIC, "igb", 0x020000, 9);
        machine.network(NIC, "eth0");
        return machine;
    }
}
