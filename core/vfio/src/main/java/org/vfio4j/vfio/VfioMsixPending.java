package org.vfio4j.vfio;

import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSIX;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_QSIZE;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA_BIR;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA_OFFSET;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/**
 * MSI-X vectors that fired while they were masked: the pending bit array (PCI Local Bus 3.0, 6.8.2), to make them pending in another
 * device.
 */
public final class VfioMsixPending {

    private VfioMsixPending() {}

    /** Which vectors of an open device are pending; none when it has no MSI-X or does not decode. */
    public static BitSet of(VfioDeviceFile file) {
        VfioPciConfigCopy config = VfioPciConfigCopy.of(file);
        int msix = config.capability(PCI_CAP_ID_MSIX);
        if (msix == 0) {
            return new BitSet();
        }
        int vectors = (config.u16(msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
        int where = config.u32(msix + PCI_MSIX_PBA);
        int words = (vectors + Long.SIZE - 1) / Long.SIZE;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bits = arena.allocate((long) words * Long.BYTES, Long.BYTES);
            long offset = Integer.toUnsignedLong(where & PCI_MSIX_PBA_OFFSET);
            file.read(where & PCI_MSIX_PBA_BIR, offset, bits, 0, words * Long.BYTES);
            return BitSet.valueOf(bits.toArray(ValueLayout.JAVA_LONG));
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EIO) {
                return new BitSet();
            }
            throw e;
        }
    }

    /** Fires vectors of a device: those that are masked become pending, and the user hears of the others. */
    public static void fire(VfioDeviceFile file, BitSet vectors) {
        vectors.stream()
                .forEach(vector -> file.setIrqs(VfioIrqSet.none(
                        VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, vector, 1)));
    }
}
