package org.vfio4j.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_BAR;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_LENGTH;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_OFFSET;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_SIZE;

import org.junit.jupiter.api.Test;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.RegisterSet;

/** Virtual I/O Device 1.2, 4.1.4.9: a window to the BAR in configuration space. */
class PciConfigAccessTest {

    private static final int BAR = 4;
    private static final int ISR = 0x1000;

    private int reads;

    private final RegisterSet config = RegisterSet.of(
            256,
            new PciConfigAccess(BAR, 0x4000, new CountedReads(), () -> {})
                    .capability()
                    .body()
                    .apply(0));

    private final class CountedReads implements BarHandler {

        @Override
        public long read(long offset, int width) {
            reads++;
            return 3;
        }

        @Override
        public void write(long offset, int width, long value) {}
    }

    private void pointAtIsr() {
        config.write(VIRTIO_PCI_CAP_BAR, 1, BAR);
        config.write(VIRTIO_PCI_CAP_OFFSET, 4, ISR);
        config.write(VIRTIO_PCI_CAP_LENGTH, 4, 1);
    }

    @Test
    void theDriversReadReachesTheBar() {
        pointAtIsr();
        assertThat(config.read(VIRTIO_PCI_CAP_SIZE, 4)).isEqualTo(3);
        assertThat(reads).isEqualTo(1);
    }

    /** As whoever keeps a view of configuration space does: it would take an interrupt's cause from the driver. */
    @Test
    void aLookerOnsDoesNot() {
        pointAtIsr();
        assertThat(config.peek(VIRTIO_PCI_CAP_SIZE, 4)).isZero();
        assertThat(config.peek(VIRTIO_PCI_CAP_OFFSET, 4)).isEqualTo(ISR);
        assertThat(reads).isZero();
    }
}
