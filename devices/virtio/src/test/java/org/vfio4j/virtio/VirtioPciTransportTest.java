package org.vfio4j.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.virtio.VirtioConfig.*;
import static org.vfio4j.virtio.VirtioPci.*;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;
import org.vfio4j.sys.Fd;
import org.vfio4j.virtio.testing.VirtioDriver;

/** Virtual I/O Device 1.2, 4.1: the PCI transport's structures, and 2.1 and 2.2: status and features. */
class VirtioPciTransportTest {

    private static final long DEVICE_FEATURES = 0x25;

    private final Idle device = new Idle();
    private final VirtioPciFunction virtio = new VirtioPciFunction(device, QueuePolling.ADAPTIVE);
    private final VirtioDriver driver = new VirtioDriver(virtio.function());

    @AfterEach
    void close() {
        virtio.close();
    }

    /** 2.2.2, 3.1.1: features that were not offered, or no VERSION_1, make FEATURES_OK stay off. */
    @Test
    void refusesIllegalFeatures() {
        for (long features : new long[] {0, 1L << VIRTIO_F_VERSION_1 | 1 << 1, DEVICE_FEATURES, -1L}) {
            driver.reset();
            driver.addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
            driver.setDriverFeatures(features);
            driver.addStatus(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
            assertThat(driver.status()).isEqualTo(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
        }
        assertThat(device.negotiated).containsOnly(0L);
    }

    @Test
    void keepsFeaturesOnceTheyAreAccepted() {
        long agreed = driver.negotiate(-1L);
        driver.setDriverFeatures(0);
        driver.write(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
        assertThat(driver.read(VIRTIO_PCI_COMMON_GF, 4)).isEqualTo(agreed >>> 32);
        assertThat(device.negotiated).endsWith(agreed);
    }

    @Test
    void offersFeaturesInWords() {
        long offered = driver.deviceFeatures();
        assertThat(offered & 0xffff).isEqualTo(DEVICE_FEATURES);
        for (int bit : new int[] {
            VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX
        }) {
            assertThat(has(offered, bit)).isTrue();
        }
        driver.write(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
        assertThat(driver.read(VIRTIO_PCI_COMMON_DF, 4)).isZero();
        driver.write(VIRTIO_PCI_COMMON_DFSELECT, 4, 0xffff_ffffL);
        assertThat(driver.read(VIRTIO_PCI_COMMON_DF, 4)).isZero();
    }

    @Test
    void forgetsEverythingOnReset() {
        driver.negotiate(-1L);
        driver.write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
        driver.write(VIRTIO_PCI_COMMON_Q_SIZE, 2, 4);
        driver.write(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
        driver.write(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1000);
        driver.write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
        driver.reset();
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_SELECT, 2)).isZero();
        driver.write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_SIZE, 2)).isEqualTo(16);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_MSIX, 2)).isEqualTo(VIRTIO_MSI_NO_VECTOR);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_DESCLO, 8)).isZero();
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isZero();
    }

    @Test
    void readsZeroOfQueuesThatDoNotExist() {
        driver.write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
        assertThat(driver.read(VIRTIO_PCI_COMMON_NUMQ, 2)).isEqualTo(2);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_SIZE, 2)).isZero();
        driver.write(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1000);
        driver.write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isZero();
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_DESCLO, 8)).isZero();
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_MSIX, 2)).isEqualTo(VIRTIO_MSI_NO_VECTOR);
    }

    @Test
    void takesSmallerPowersOfTwoAsQueueSize() {
        for (int illegal : new int[] {0, 3, 32, 0x8000}) {
            driver.write(VIRTIO_PCI_COMMON_Q_SIZE, 2, illegal);
            assertThat(driver.read(VIRTIO_PCI_COMMON_Q_SIZE, 2)).isEqualTo(16);
        }
        driver.write(VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_SIZE, 2)).isEqualTo(8);
    }

    /** 4.1.4.3: 64-bit fields are accessible as halves and as a whole. */
    @Test
    void takesQueueAddressesInHalvesOrWhole() {
        driver.write(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, 0x5678_0000L);
        driver.write(VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0x1234L);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_AVAILLO, 8)).isEqualTo(0x1234_5678_0000L);
        driver.write(VIRTIO_PCI_COMMON_Q_USEDLO, 8, 0x9_8765_4320L);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_USEDHI, 4)).isEqualTo(9);
    }

    @Test
    void refusesMisalignedRings() {
        driver.write(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1008);
        driver.write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isZero();
        driver.write(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1010);
        driver.write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_ENABLE, 2)).isEqualTo(1);
        driver.write(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x2000);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_DESCLO, 8)).isEqualTo(0x1010);
    }

    /** 4.1.5.1.2.1: a vector that does not exist reads back as none. */
    @Test
    void refusesVectorsThatDoNotExist() {
        driver.write(VIRTIO_PCI_COMMON_MSIX, 2, 2);
        assertThat(driver.read(VIRTIO_PCI_COMMON_MSIX, 2)).isEqualTo(2);
        driver.write(VIRTIO_PCI_COMMON_MSIX, 2, 3);
        assertThat(driver.read(VIRTIO_PCI_COMMON_MSIX, 2)).isEqualTo(VIRTIO_MSI_NO_VECTOR);
        driver.write(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
        driver.write(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0x1234);
        assertThat(driver.read(VIRTIO_PCI_COMMON_Q_MSIX, 2)).isEqualTo(VIRTIO_MSI_NO_VECTOR);
    }

    @Test
    void ignoresNotificationsWithoutAReadyDriver() {
        driver.notifyQueue(0);
        driver.notifyQueue(500);
        assertThat(virtio.isBusy()).isFalse();
        assertThat(virtio.notificationCount()).isZero();
    }

    /** SPDK's driver does not read the capabilities: common at 0, ISR at 0x1000, device at 0x2000, notifications at 0x3000. */
    @Test
    void hasItsStructuresWhereDriversExpectThem() {
        assertThat(virtio.function().configRead(PCI_VENDOR_ID, 4)).isEqualTo(0x1044_1af4);
        List<String> found = new ArrayList<>();
        for (int at = config(PCI_CAPABILITY_LIST, 1); at != 0; at = config(at + 1, 1)) {
            if (config(at, 1) == PCI_CAP_ID_VNDR) {
                found.add("%d BAR %d at 0x%x length %d"
                        .formatted(config(at + 3, 1), config(at + 4, 1), config(at + 8, 4), config(at + 2, 1)));
            }
        }
        assertThat(found)
                .containsExactly(
                        "1 BAR 4 at 0x0 length 16",
                        "3 BAR 4 at 0x1000 length 16",
                        "4 BAR 4 at 0x2000 length 16",
                        "2 BAR 4 at 0x3000 length 20",
                        "5 BAR 0 at 0x0 length 20");
    }

    /** 4.1.4.9: the driver reaches the BAR through configuration space. */
    @Test
    void givesAccessThroughConfigurationSpace() {
        int window = config(PCI_CAPABILITY_LIST, 1);
        while (config(window, 1) != PCI_CAP_ID_VNDR || config(window + 3, 1) != VIRTIO_PCI_CAP_PCI_CFG) {
            window = config(window + 1, 1);
        }
        virtio.function().configWrite(window + VIRTIO_PCI_CAP_BAR, 1, 4);
        virtio.function().configWrite(window + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_STATUS);
        virtio.function().configWrite(window + VIRTIO_PCI_CAP_LENGTH, 4, 1);
        virtio.function().configWrite(window + VIRTIO_PCI_CAP_SIZE, 4, VIRTIO_CONFIG_S_ACKNOWLEDGE);
        assertThat(driver.status()).isEqualTo(VIRTIO_CONFIG_S_ACKNOWLEDGE);
        assertThat(config(window + VIRTIO_PCI_CAP_SIZE, 4)).isEqualTo(VIRTIO_CONFIG_S_ACKNOWLEDGE);
        virtio.function().configWrite(window + VIRTIO_PCI_CAP_OFFSET, 4, -4);
        assertThat(config(window + VIRTIO_PCI_CAP_SIZE, 4)).isZero();
        virtio.function().configWrite(window + VIRTIO_PCI_CAP_LENGTH, 4, 3);
        assertThat(config(window + VIRTIO_PCI_CAP_SIZE, 4)).isZero();
    }

    private int config(int at, int width) {
        return virtio.function().configRead(at, width);
    }

    /** A device type that does nothing. */
    private static final class Idle implements VirtioDevice, VirtioRequests {

        final List<Long> negotiated = new ArrayList<>();

        @Override
        public String name() {
            return "idle";
        }

        @Override
        public int virtioId() {
            return 4;
        }

        @Override
        public int classCode() {
            return 0xff0000;
        }

        @Override
        public long features() {
            return DEVICE_FEATURES;
        }

        @Override
        public int queueCount() {
            return 2;
        }

        @Override
        public int maxQueueSize() {
            return 16;
        }

        @Override
        public BarHandler config() {
            return RegisterSet.of(4, Register.at(0, 4, "value").reset(42));
        }

        @Override
        public void negotiated(long features) {
            negotiated.add(features);
        }

        @Override
        public byte[] saveState() {
            return new byte[0];
        }

        @Override
        public Runnable loadState(byte[] state) {
            return () -> {};
        }

        @Override
        public VirtioRequests requests() {
            return this;
        }

        @Override
        public void begin(Fd eventFd) {}

        @Override
        public void end() {}

        @Override
        public int serve(SplitQueue queue, int waiting, DmaWindow window) {
            return 0;
        }

        @Override
        public long serveSlowly(SplitQueue queue, DescriptorChain chain, DmaWindow window) {
            return CUT_SHORT;
        }

        @Override
        public int complete() {
            return 0;
        }

        @Override
        public int inFlight() {
            return 0;
        }

        @Override
        public boolean isFull() {
            return false;
        }

        @Override
        public void drain() {}

        @Override
        public boolean arm() {
            return false;
        }

        @Override
        public void disarm() {}

        @Override
        public void abandon() {}
    }
}
