package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_BAR;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_CFG_TYPE;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_LEN;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_LENGTH;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_OFFSET;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_PCI_CFG;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_CAP_SIZE;

import java.util.List;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Capability;
import org.vfio4j.devicemodel.Register;

/**
 * The PCI configuration access capability (Virtual I/O Device 1.2, 4.1.4.9): the driver names a place in a BAR and reaches it
 * through {@code pci_cfg_data}, without mapping the BAR. Belongs to the function's thread.
 */
final class PciConfigAccess {

    private static final int SIZE = VIRTIO_PCI_CAP_SIZE + 4;
    private static final VirtioState.Window NOWHERE = new VirtioState.Window(0, 0, 0);

    private final int bar;
    private final long barBytes;
    private final BarHandler handler;
    private final Runnable onMoved;
    private long barWanted;
    private long offset;
    private long length;

    /**
     * @param bar the one BAR that can be reached
     * @param onMoved run when the driver looks somewhere else
     */
    PciConfigAccess(int bar, long barBytes, BarHandler handler, Runnable onMoved) {
        this.onMoved = onMoved;
        this.bar = bar;
        this.barBytes = barBytes;
        this.handler = handler;
    }

    Capability capability() {
        return Capability.vendorSpecific(SIZE, this::registers);
    }

    /** Where the driver looks. */
    VirtioState.Window save() {
        return new VirtioState.Window((int) barWanted, (int) offset, (int) length);
    }

    /** Has the driver look there. */
    void load(VirtioState.Window from) {
        barWanted = from.bar() & 0xff;
        offset = Integer.toUnsignedLong(from.offset());
        length = Integer.toUnsignedLong(from.length());
    }

    /** It looks nowhere, as after power-on. */
    void reset() {
        load(NOWHERE);
    }

    private List<Register> registers(int at) {
        return List.of(
                Register.at(at + VIRTIO_PCI_CAP_LEN, 1, "cap_len").reset(SIZE),
                Register.at(at + VIRTIO_PCI_CAP_CFG_TYPE, 1, "cfg_type").reset(VIRTIO_PCI_CAP_PCI_CFG),
                Register.at(at + VIRTIO_PCI_CAP_BAR, 1, "bar")
                        .computed(() -> barWanted)
                        .writable()
                        .onWrite(value -> moved(() -> barWanted = value)),
                Register.at(at + VIRTIO_PCI_CAP_OFFSET, 4, "offset")
                        .computed(() -> offset)
                        .writable()
                        .onWrite(value -> moved(() -> offset = value)),
                Register.at(at + VIRTIO_PCI_CAP_LENGTH, 4, "length")
                        .computed(() -> length)
                        .writable()
                        .onWrite(value -> moved(() -> length = value)),
                Register.at(at + VIRTIO_PCI_CAP_SIZE, 4, "pci_cfg_data")
                        .writable()
                        .readActs()
                        .computed(() -> isLegal() ? handler.read(offset, (int) length) : 0)
                        .onWrite(this::write));
    }

    private void moved(Runnable by) {
        by.run();
        onMoved.run();
    }

    private void write(long value) {
        if (isLegal()) {
            handler.write(offset, (int) length, value);
        }
    }

    private boolean isLegal() {
        return barWanted == bar
                && (length == 1 || length == 2 || length == 4)
                && offset % length == 0
                && offset <= barBytes - length;
    }
}
