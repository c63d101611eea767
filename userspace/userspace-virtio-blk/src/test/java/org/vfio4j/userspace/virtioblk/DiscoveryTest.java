package org.vfio4j.userspace.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** Virtual I/O Device 1.2, 3.1 and 4.1: finding a disk and bringing it into use. */
class DiscoveryTest {

    private final FakeDisk disk = new FakeDisk();
    private final VirtioBlkOptions options = VirtioBlkOptions.DEFAULTS.withTimeoutNs(20_000_000);

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void rejectsAnotherDevice() {
        disk.config.putShort(PCI_DEVICE_ID, (short) 0x1041);
        refused(ENODEV, "1af4:1041");
    }

    @Test
    void rejectsADeviceWithoutModernInterface() {
        disk.features = feature(VIRTIO_BLK_F_FLUSH);
        refused(ENODEV, "VERSION_1");
    }

    @Test
    void namesTheStructureThatIsMissing() {
        disk.device = new FakeDisk.Place(4, 0x3ff8, 0x1000);
        disk.listCapabilities();
        refused(ENODEV, "no usable device configuration");
    }

    @Test
    void rejectsAStructureInARegionThatDoesNotExist() {
        disk.common = new FakeDisk.Place(6, 0, 0x1000);
        disk.listCapabilities();
        refused(ENODEV, "common");
    }

    @Test
    void rejectsACapabilityListWithoutEnd() {
        disk.config.put(0x61, (byte) 0x40);
        refused(EPROTO, "no end");
    }

    @Test
    void rejectsADoorbellPastTheEndOfItsStructure() {
        disk.notifyMultiplier = 0x1000;
        disk.listCapabilities();
        assertThatThrownBy(() -> VirtioBlkDriver.open(disk, options.withQueues(2)))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EPROTO));
        assertThat(disk.dma).isEmpty();
    }

    @Test
    void givesUpWhenFeaturesAreRefused() {
        disk.refusesFeatures = true;
        refused(EIO, "refuses the features");
    }

    @Test
    void givesUpWhenTheResetDoesNotEnd() {
        disk.resetNeverEnds = true;
        refused(ETIMEDOUT, "status still 0x01");
    }

    @Test
    void givesUpWhenTheFirstRequestIsNotAnswered() {
        disk.deaf = true;
        refused(ETIMEDOUT, "completes no request");
    }

    @Test
    void rejectsACapacityThatCannotBe() {
        disk.deviceConfig.putLong(CONFIG_CAPACITY, Long.MAX_VALUE);
        refused(EPROTO, "sectors");
    }

    @Test
    void rejectsAQueueThatIsTooSmall() {
        disk.maxQueueSize = 3;
        refused(ENODEV, "queue 0");
    }

    @Test
    void findsStructuresWhereverTheyAre() {
        disk.common = new FakeDisk.Place(0, 0x40, 56);
        disk.device = new FakeDisk.Place(2, 0x800, 60);
        disk.notify = new FakeDisk.Place(5, 0x3f00, 0x100);
        disk.notifyMultiplier = 8;
        disk.listCapabilities();
        try (VirtioBlkDriver driver = VirtioBlkDriver.open(disk, options)) {
            assertThat(driver.capacityBytes()).isEqualTo(FakeDisk.SECTORS * 512L);
            assertThat(driver.serial()).isEqualTo("fake-disk");
        }
    }

    @Test
    void takesATransitionalDevice() {
        disk.config.putShort(PCI_DEVICE_ID, (short) 0x1001);
        VirtioBlkDriver.open(disk, options).close();
    }

    @Test
    void usesNoMoreQueuesThanThereAre() {
        try (VirtioBlkDriver driver = VirtioBlkDriver.open(disk, options.withQueues(8))) {
            assertThat(driver.queueCount()).isEqualTo(2);
            assertThat(driver.queue(1).depth()).isEqualTo(disk.maxQueueSize);
        }
    }

    @Test
    void usesOneQueueWithoutTheMultiqueueFeature() {
        disk.features &= ~feature(VIRTIO_BLK_F_MQ);
        try (VirtioBlkDriver driver = VirtioBlkDriver.open(disk, options.withQueues(8))) {
            assertThat(driver.queueCount()).isEqualTo(1);
        }
    }

    @Test
    void acceptsOnlyFeaturesThatItKnows() {
        disk.features |= 1L << 40 | 1L << 34;
        try (VirtioBlkDriver driver = VirtioBlkDriver.open(disk, options)) {
            assertThat(disk.driverFeatures).isEqualTo(driver.features());
            assertThat(has(driver.features(), 34)).isFalse();
        }
    }

    @Test
    void leavesADeviceBehindThatDoesNothing() {
        VirtioBlkDriver.open(disk, options).close();
        assertThat(disk.deviceStatus).isZero();
        assertThat(disk.config.getShort(PCI_COMMAND) & PCI_COMMAND_MASTER).isZero();
        assertThat(disk.dma).isEmpty();
        assertThat(disk.vectors).isEmpty();
    }

    private void refused(int errno, String what) {
        assertThatThrownBy(() -> VirtioBlkDriver.open(disk, options))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno))
                .hasMessageContaining(what);
        assertThat(disk.dma).as("memory is taken back").isEmpty();
    }
}
