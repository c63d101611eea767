package org.vfio4j.userspace.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS_CAP_LIST;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** NVM Express Base 2.0, 3.5: a controller is brought into use and taken out of it, or refused with the reason. */
class DiscoveryTest {

    private static final NvmeOptions OPTIONS = NvmeOptions.DEFAULTS.withTimeoutNs(50_000_000);

    private final FakeController fake = new FakeController();

    @AfterEach
    void close() {
        assertThat(fake.dma).as("memory that the device still has").isEmpty();
        assertThat(fake.vectors).as("interrupts that the device still has").isEmpty();
        assertThat(fake.config.getShort(PCI_COMMAND) & PCI_COMMAND_MASTER).isZero();
        fake.close();
    }

    @Test
    void tellsWhatTheControllerIs() {
        try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS.withQueues(8))) {
            assertThat(driver.info().serialNumber()).isEqualTo("S1");
            assertThat(driver.info().modelNumber()).isEqualTo("fake");
            assertThat(driver.queueCount()).as("what the controller grants").isEqualTo(2);
            assertThat(driver.namespace().capacityBytes()).isEqualTo(FakeController.BLOCKS * 512L);
            assertThat(driver.namespace().maxTransferBytes()).isEqualTo(128 << 10);
            assertThat(driver.doorbells()).isEqualTo(NvmeOptions.Doorbells.WRITTEN);
            assertThat(fake.queues.get(2).vector).isEqualTo(2);
        }
        assertThat(fake.shutDown).as("told that the power goes").isTrue();
        assertThat(fake.cc & CC_EN).isZero();
    }

    @Test
    void makesDoWithFewVectors() {
        fake.msixVectors = 1;
        try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS.withQueues(2))) {
            assertThat(driver.interrupted()).isTrue();
            assertThat(fake.queues.get(1).interrupts).isTrue();
            assertThat(fake.queues.get(1).vector).isZero();
            assertThat(fake.queues.get(2).interrupts).isFalse();
        }
    }

    @Test
    void turnsMsixOnWhereItIsBehindOtherCapabilities() {
        fake.config.putShort(PCI_STATUS, (short) PCI_STATUS_CAP_LIST).put(PCI_CAPABILITY_LIST, (byte) 0x40);
        fake.config.putInt(0x40, 0x50 << 8 | 0x01).putInt(0x50, 0x0002_0011);
        try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS)) {
            assertThat(driver.interrupted()).isTrue();
            assertThat(fake.config.getShort(0x52) & 0xffff).isEqualTo(0x8002);
        }
        assertThat(fake.config.getShort(0x52)).isEqualTo((short) 2);
    }

    @Test
    void leavesARingOfCapabilities() {
        fake.config.putShort(PCI_STATUS, (short) PCI_STATUS_CAP_LIST).put(PCI_CAPABILITY_LIST, (byte) 0x40);
        fake.config.putInt(0x40, 0x40 << 8 | 0x01);
        NvmeDriver.open(fake, OPTIONS).close();
    }

    @Test
    void printsNoControlCharactersOfTheControllers() {
        fake.controller.put(ID_CTRL_SN, (byte) 0x1b).put(ID_CTRL_SN + 1, (byte) 0x80);
        try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS)) {
            assertThat(driver.info().serialNumber()).isEqualTo("??");
        }
    }

    @Test
    void usesTheFirstNamespaceOfAnOldController() {
        fake.listStatus = NvmeStatus.INVALID_FIELD_IN_COMMAND;
        fake.firstNamespace = 77;
        try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS)) {
            assertThat(driver.namespace().nsid()).isEqualTo(1);
        }
    }

    @Test
    void cutsAnEndlessTransferDown() {
        for (int mdts : new int[] {0, 9, 31, 255}) {
            fake.controller.put(ID_CTRL_MDTS, (byte) mdts);
            try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS)) {
                assertThat(driver.namespace().maxTransferBytes())
                        .as("mdts %d", mdts)
                        .isEqualTo(1 << 20);
            }
        }
    }

    @Test
    void rejectsOtherFunctions() {
        fake.config.putInt(PCI_CLASS_REVISION, 0x010601 << 8);
        assertRefused(ENODEV, "010601");
    }

    @Test
    void rejectsControllersThatItCannotUse() {
        fake.cap = 1023;
        assertRefused(ENOTSUP, "NVM command set");
        fake.cap = CAP_CSS_NVM | 1023 | 5L << CAP_MPSMIN_SHIFT;
        assertRefused(ENOTSUP, "memory page");
        fake.cap = CAP_CSS_NVM;
        assertRefused(EPROTO, "MQES");
        fake.cap = -1;
        assertRefused(ENODEV, "does not decode");
    }

    @Test
    void rejectsDoorbellsBeyondTheRegion() {
        fake.cap |= 15L << CAP_DSTRD_SHIFT;
        assertRefused(EPROTO, "doorbells");
    }

    @Test
    void endsAWaitForAResetThatDoesNot() {
        fake.stopNeverEnds = true;
        assertRefused(ETIMEDOUT, "stop");
        fake.stopNeverEnds = false;
        fake.startNeverEnds = true;
        assertRefused(ETIMEDOUT, "start");
    }

    @Test
    void noticesAControllerThatFails() {
        fake.fails = true;
        assertRefused(EIO, "CSTS");
    }

    @Test
    void endsAWaitForAnAdminCommand() {
        fake.deafAdmin = true;
        assertRefused(ETIMEDOUT, "identify");
    }

    @Test
    void saysWhatTheControllerAnswers() {
        fake.adminStatus = 0x106;
        assertRefused(EIO, "status code type 0x1, status code 0x06");
    }

    @Test
    void rejectsAbsurdControllers() {
        fake.controller.put(ID_CTRL_SQES, (byte) 0x55);
        assertRefused(ENOTSUP, "submission queue entries");
        fake.controller.put(ID_CTRL_SQES, (byte) 0x66).put(ID_CTRL_CQES, (byte) 0);
        assertRefused(ENOTSUP, "completion queue entries");
    }

    @Test
    void rejectsAbsurdNamespaces() {
        fake.namespace.putLong(ID_NS_NSZE, 0);
        assertRefused(ENODEV, "not active");
        fake.namespace.putLong(ID_NS_NSZE, -1);
        assertRefused(EPROTO, "18446744073709551615 blocks");
        fake.namespace.putLong(ID_NS_NSZE, Long.MAX_VALUE >> 8);
        assertRefused(EPROTO, "blocks");
        fake.namespace.putLong(ID_NS_NSZE, 8).putInt(ID_NS_LBAF, 8 << 16);
        assertRefused(EPROTO, "2^8");
        fake.namespace.putInt(ID_NS_LBAF, 255 << 16);
        assertRefused(EPROTO, "2^255");
        fake.namespace.putInt(ID_NS_LBAF, 9 << 16 | 8);
        assertRefused(ENOTSUP, "8 bytes of metadata");
        fake.namespace.putInt(ID_NS_LBAF, 16 << 16);
        fake.controller.put(ID_CTRL_MDTS, (byte) 1);
        assertRefused(EPROTO, "moves at most 8192");
    }

    @Test
    void readsTheFormatInUse() {
        fake.namespace.put(ID_NS_FLBAS, (byte) (0x20 | 3)).putInt(ID_NS_LBAF + 4 * (16 + 3), 12 << 16);
        try (NvmeDriver driver = NvmeDriver.open(fake, OPTIONS)) {
            assertThat(driver.namespace().blockSize()).isEqualTo(4096);
        }
    }

    @Test
    void findsNoNamespace() {
        fake.firstNamespace = 0;
        assertRefused(ENODEV, "no active namespace");
    }

    @Test
    void rejectsOptionsBeyondTheLimits() {
        assertThatThrownBy(() -> OPTIONS.withQueues(0)).hasMessageContaining("1 and 256");
        assertThatThrownBy(() -> OPTIONS.withQueueSize(3)).hasMessageContaining("power of two");
        assertThatThrownBy(() -> OPTIONS.withBufferBytes(-1)).hasMessageContaining("-1");
        assertThatThrownBy(() -> OPTIONS.withTimeoutNs(0)).hasMessageContaining("timeout");
    }

    private void assertRefused(int errno, String why) {
        assertThatThrownBy(() -> NvmeDriver.open(fake, OPTIONS))
                .isInstanceOfSatisfying(
                        ErrnoException.class,
                        e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno))
                .hasMessageContaining(why);
    }
}
