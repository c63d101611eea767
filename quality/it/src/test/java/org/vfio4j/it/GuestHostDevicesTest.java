package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.HostJvm.EDU;
import static org.vfio4j.it.HostJvm.IGB;
import static org.vfio4j.it.HostJvm.NVME;
import static org.vfio4j.it.HostJvm.SHARED_EDU;
import static org.vfio4j.it.HostJvm.SHARED_VIRTIO;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * PCI functions that are hardware to the Linux in a guest, through its VFIO: the commands {@code vfio host}, this project's NVMe driver,
 * and devices of QEMU's whose registers, interrupts and DMA are known. A test that binds a function gives it back; edu and igb are bound
 * all the time.
 */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestHostDevicesTest {

    private static final int BYTES = 4 * MIB;

    @TempDir
    private static Path dir;

    private Path image;
    private HostJvm host;
    private String listed;

    @BeforeAll
    void boot() {
        image = Images.create(dir.resolve("nvme.img"), 64L * MIB);
        host = HostJvm.boot(image);
        listed = host.vfioOk("host ls");
        host.vfioOk("host bind", EDU, IGB);
    }

    @AfterAll
    void end() {
        try {
            host.powerOff();
        } finally {
            host.close();
        }
    }

    @Test
    void eachFunctionIsListedWithItsDriverItsGroupAndWhatToDo() {
        assertThat(listed)
                .containsPattern(NVME + " .* NVMe .* nvme +\\d+ +no, its driver is nvme +vfio host bind " + NVME)
                .containsPattern(EDU + " +1234:11e8 .* - +\\d+ +no, it has no driver +vfio host bind " + EDU)
                .containsPattern(IGB + " .* Ethernet .* igb +\\d+ +no, its driver is igb +vfio host bind " + IGB)
                .containsPattern("0000:00:01.0 .*no, vda is mounted at ");
        assertThat(host.vfioOk("host ls")).containsPattern(EDU + " .* vfio-pci +\\d+ +yes");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "edu registers",
                "edu msi",
                "edu intx",
                "edu unmask-by-eventfd",
                "edu twice",
                "edu-dma there-and-back",
                "edu-dma read-only",
                "edu-dma refusals"
            })
    void eduDoes(String check) {
        host.check(EDU, check);
    }

    @ParameterizedTest
    @ValueSource(strings = {"igb config", "igb vectors", "igb reset"})
    void aNetworkCardDoes(String check) {
        host.check(IGB, check);
    }

    @Test
    void whatIsUnmappedIsAFaultToTheDevice() {
        host.sh("dmesg -c > /dev/null");
        host.check(EDU, "edu-dma unmapped");
        assertThat(host.sh("dmesg"))
                .contains("[DMA Write NO_PASID] Request device [02:00.0] fault addr 0x1000000")
                .contains("[DMA Read NO_PASID] Request device [02:00.0] fault addr 0x1000000");
    }

    @Test
    void aMountedDiskIsNotTaken() {
        host.sh("mke2fs -q -t ext4 /dev/nvme0n1 && mount /dev/nvme0n1 /mnt && echo here > /mnt/file");
        QemuGuest.Result refused = host.vfio("host bind", NVME);
        assertThat(refused.exit()).isEqualTo(5);
        assertThat(refused.output())
                .contains("host bind: " + NVME + " is in use: nvme0n1 is mounted at /mnt: EBUSY")
                .contains("try: ");
        assertThat(host.sh("umount /mnt && mount /dev/nvme0n1 /mnt && cat /mnt/file && umount /mnt"))
                .isEqualTo("here");
    }

    /** Neither /sys nor /proc tells of that; the kernel does when it is asked for the disk. */
    @Test
    void aDiskThatIsMountedWhereOnlyOthersSeeItIsNotTaken() {
        host.sh("mke2fs -q -F -t ext4 /dev/nvme0n1 && rm -f /tmp/leave /tmp/mounted");
        host.sh("unshare -m sh -c 'mount /dev/nvme0n1 /mnt && echo here > /mnt/file && touch /tmp/mounted;"
                + " until [ -e /tmp/leave ]; do sleep 0.1; done; umount /mnt' & MOUNT=$!");
        host.sh("until [ -e /tmp/mounted ]; do sleep 0.1; done");
        host.sh("! grep -q nvme0n1 /proc/mounts");
        assertThat(host.vfioOk("host ls")).containsPattern(NVME + " .*no, its driver is nvme +vfio host bind " + NVME);
        QemuGuest.Result refused = host.vfio("host bind", NVME);
        assertThat(refused.exit()).isEqualTo(5);
        assertThat(refused.output())
                .contains("host bind: " + NVME + " is in use: nvme0n1 is in the kernel's own use: EBUSY");
        host.sh("touch /tmp/leave; wait $MOUNT");
        host.vfioOk("host bind", NVME);
        giveDiskBack();
        assertThat(host.sh("mount /dev/nvme0n1 /mnt && cat /mnt/file && umount /mnt"))
                .isEqualTo("here");
    }

    @Test
    void aDiskThatIsSwapIsNotTaken() {
        host.sh("mkswap /dev/nvme0n1 > /dev/null && swapon /dev/nvme0n1");
        QemuGuest.Result refused = host.vfio("host bind", NVME);
        host.sh("swapoff /dev/nvme0n1");
        assertThat(refused.exit()).isEqualTo(5);
        assertThat(refused.output()).contains(NVME + " is in use: nvme0n1 is swap");
        host.vfioOk("host bind", NVME);
        giveDiskBack();
    }

    @Test
    void aDiskThatIsGivenBackHasTheSameData() {
        host.sh("dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=4 seek=16 oflag=direct status=none");
        String sum = sumByTheKernel(16);
        String bound = host.vfioOk("host bind", NVME);
        assertThat(bound).matches(NVME + " bound to vfio-pci as vfio\\d+, IOMMU group \\d+");
        String group = bound.replaceAll(".* ", "");
        assertThat(host.sh("ls /dev/nvme* 2>/dev/null || true")).isEmpty();
        host.sh("[ -c /dev/vfio/" + group + " ]");
        giveDiskBack();
        host.sh("[ ! -e /dev/vfio/" + group + " ]");
        assertThat(sumByTheKernel(16)).isEqualTo(sum);
    }

    @Test
    void theKernelAndTheImageHaveWhatJavaWrote() {
        byte[] bytes = Images.pattern(31, BYTES);
        host.vfioOk("host bind", NVME);
        host.check(NVME, "nvme write", Integer.toString(24 * MIB), "31", Integer.toString(BYTES));
        giveDiskBack();
        assertThat(sumByTheKernel(24)).isEqualTo(Images.sha256(bytes));
        assertThat(Images.read(image, 24L * MIB, BYTES)).isEqualTo(bytes);
    }

    @Test
    void javaReadsWhatTheKernelWrote() {
        host.sh("dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=4 seek=32 oflag=direct status=none");
        String sum = sumByTheKernel(32);
        host.vfioOk("host bind", NVME);
        assertThat(host.vfioOk("check", NVME, "nvme read", Integer.toString(32 * MIB), Integer.toString(BYTES)))
                .isEqualTo(sum);
        giveDiskBack();
    }

    @Test
    void theBenchVerifiesWhatItReads() {
        host.vfioOk("host bind", NVME);
        QemuGuest.Result unasked = host.vfio("bench nvme --host", NVME, "--workload mixed --verify");
        assertThat(unasked.exit()).isEqualTo(2);
        assertThat(host.vfioOk(
                        "bench nvme --write --host", NVME, "--workload mixed --verify --seconds 1 --queue-depth 8"))
                .contains("QEMU NVMe Ctrl", "doorbells mapped", "4 KiB random 70 % read");
        giveDiskBack();
    }

    @Test
    void aGroupIsUsableOnceNoFunctionOfItHasAnotherDriver() {
        String group = host.sh("basename $(readlink " + HostJvm.device(SHARED_EDU) + "/iommu_group)");
        String why = "its group " + group + " is not viable: " + SHARED_VIRTIO + " has driver virtio-pci";
        assertThat(host.vfioOk("host bind", SHARED_EDU))
                .contains("note: " + SHARED_EDU + " cannot be opened yet: " + why, "try: vfio host bind ");
        QemuGuest.Result refused = host.vfio("check", SHARED_EDU, "edu registers");
        assertThat(refused.output()).contains(SHARED_EDU + ": " + why + ": EPERM (Operation not permitted)");
        assertThat(host.vfioOk("host bind", SHARED_VIRTIO)).doesNotContain("note:");
        host.check(SHARED_EDU, "edu registers");
        assertThat(host.vfioOk("host unbind", SHARED_EDU, SHARED_VIRTIO))
                .contains(SHARED_EDU + " has no driver now", SHARED_VIRTIO + " is virtio-pci's again");
    }

    @Test
    void virtualFunctionsNeedTheTokenOfTheirPhysicalOne() {
        host.check(IGB, "igbvf set-token");
        host.sh("echo 1 > /sys/module/vfio_pci/parameters/enable_sriov");
        host.sh("echo 2 > " + HostJvm.device(IGB) + "/sriov_numvfs");
        String second = host.sh("basename $(readlink " + HostJvm.device(IGB) + "/virtfn1)");
        assertThat(host.vfioOk("host ls")).containsPattern(second + " .* vfio-pci ");
        host.check(second, "igbvf open");
        assertThat(host.vfioOk("host show", second))
                .contains(
                        "cannot be opened: " + second + ": vfio-pci has its physical function too, and no VF token was")
                .contains("try: vfio host show " + second + " --vf-token UUID")
                .contains("id 8086:10ca");
        assertThat(host.vfioOk("host show", second, "--vf-token", IgbVfChecks.TOKEN.toString()))
                .contains("opened by /dev/vfio/", "id 8086:10ca", "MSI-X");
        host.sh("echo 0 > " + HostJvm.device(IGB) + "/sriov_numvfs");
    }

    @Test
    void aFunctionThatHasNoVirtualOnesTakesNoToken() {
        assertThat(host.vfio("check", EDU, "igbvf set-token").output())
                .contains(EDU + ": it takes no VF token: EINVAL");
    }

    @Test
    void aDeviceOfAProcessThatIsKilledCanBeOpenedAgain() {
        host.killDuring(EDU, "edu hold");
        host.check(EDU, "edu msi");
    }

    private String sumByTheKernel(int mebibyte) {
        return host.sh("dd if=/dev/nvme0n1 bs=1M count=4 skip=" + mebibyte
                + " iflag=direct status=none | sha256sum | cut -d' ' -f1");
    }

    private void giveDiskBack() {
        assertThat(host.vfioOk("host unbind", NVME)).isEqualTo(NVME + " is nvme's again");
        host.sh("until [ -b /dev/nvme0n1 ]; do sleep 0.1; done");
    }
}
