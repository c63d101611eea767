package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_MSIX;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_ENTRY_SIZE;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_QSIZE;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA_BIR;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_PBA_OFFSET;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_TABLE;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_TABLE_BIR;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_TABLE_OFFSET;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/**
 * A device's MSI-X table as its user has written it, and the vectors that fired while they were masked (PCI Local Bus 3.0, 6.8.2), to
 * have the same in another device.
 *
 * @param table the entries, 16 bytes each; empty when there is no table, or it cannot be read because the device does not decode
 * @param pending the pending bits
 */
public record VfioMsixCopy(byte[] table, BitSet pending) {

    /** Of a device without a table, or of one that nobody has set up. */
    public static final VfioMsixCopy NOTHING = new VfioMsixCopy(new byte[0], new BitSet());

    /**
     * Where table and pending bits are.
     *
     * @param vectors how many there are; 0 without MSI-X
     */
    public record Place(int vectors, int tableBar, long tableOffset, int pbaBar, long pbaOffset) {

        /** As a configuration space says. */
        public static Place of(VfioPciConfigCopy config) {
            int msix = config.capability(PCI_CAP_ID_MSIX);
            int vectors = msix == 0 ? 0 : (config.u16(msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
            int table = vectors == 0 ? 0 : config.u32(msix + PCI_MSIX_TABLE);
            int pba = vectors == 0 ? 0 : config.u32(msix + PCI_MSIX_PBA);
            return new Place(
                    vectors,
                    table & PCI_MSIX_TABLE_BIR,
                    Integer.toUnsignedLong(table & PCI_MSIX_TABLE_OFFSET),
                    pba & PCI_MSIX_PBA_BIR,
                    Integer.toUnsignedLong(pba & PCI_MSIX_PBA_OFFSET));
        }

        /** How long the table is. */
        public int tableBytes() {
            return vectors * PCI_MSIX_ENTRY_SIZE;
        }

        int pbaBytes() {
            return (vectors + Long.SIZE - 1) / Long.SIZE * Long.BYTES;
        }
    }

    /** Of an open PCI device. */
    public static VfioMsixCopy of(VfioDeviceFile file) {
        Place place = Place.of(VfioPciConfigCopy.of(file));
        if (place.vectors() == 0) {
            return NOTHING;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(place.tableBytes(), Long.BYTES);
            MemorySegment bits = arena.allocate(place.pbaBytes(), Long.BYTES);
            file.read(place.tableBar(), place.tableOffset(), table, 0, place.tableBytes());
            file.read(place.pbaBar(), place.pbaOffset(), bits, 0, place.pbaBytes());
            return new VfioMsixCopy(table.toArray(JAVA_BYTE), BitSet.valueOf(bits.toArray(JAVA_LONG)));
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EIO) {
                return NOTHING;
            }
            throw e;
        }
    }

    /**
     * Writes the table where it differs, and fires the vectors: those that are masked become pending, and the user hears of the others.
     * The device decodes, and its interrupts are set up.
     */
    public void restore(VfioDeviceFile file) {
        Place place = Place.of(VfioPciConfigCopy.of(file));
        int bytes = Math.min(table.length, place.tableBytes());
        if (bytes == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wanted = arena.allocateFrom(JAVA_BYTE, table);
            MemorySegment now = arena.allocate(bytes);
            file.read(place.tableBar(), place.tableOffset(), now, 0, bytes);
            for (int at = 0; at < bytes; at += PCI_MSIX_ENTRY_SIZE) {
                MemorySegment entry = wanted.asSlice(at, PCI_MSIX_ENTRY_SIZE);
                if (entry.mismatch(now.asSlice(at, PCI_MSIX_ENTRY_SIZE)) >= 0) {
                    file.write(place.tableBar(), place.tableOffset() + at, wanted, at, PCI_MSIX_ENTRY_SIZE);
                }
            }
        }
        pending.stream()
                .filter(vector -> vector < place.vectors())
                .forEach(vector -> file.setIrqs(VfioIrqSet.none(
                        VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, vector, 1)));
    }
}
