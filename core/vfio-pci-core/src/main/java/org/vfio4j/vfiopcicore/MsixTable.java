package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;

/**
 * The MSI-X table and pending bit array (PCI Local Bus 3.0, 6.8.2), laid over the BARs that the capability names. Addresses and
 * data are the user's to keep: messages go to eventfds. The mask bits act, the pending bits are the vectors' own. Used by the
 * user's thread, with natural accesses.
 */
final class MsixTable {

    private final VectorContext vectors;
    private final int tableBar;
    private final long tableStart;
    private final long tableEnd;
    private final int pbaBar;
    private final long pbaStart;
    private final long pbaEnd;
    private final int[] words;

    /** @param pos where the capability stands; 0 when there is none, and the table covers nothing */
    MsixTable(ConfigSpace config, VectorContext vectors, int pos) {
        int table = pos == 0 ? 0 : config.hardware(pos + PCI_MSIX_TABLE, 4);
        int pba = pos == 0 ? 0 : config.hardware(pos + PCI_MSIX_PBA, 4);
        this.vectors = vectors;
        this.tableBar = table & PCI_MSIX_TABLE_BIR;
        this.tableStart = Integer.toUnsignedLong(table & PCI_MSIX_TABLE_OFFSET);
        this.tableEnd = tableStart + (long) vectors.count() * PCI_MSIX_ENTRY_SIZE;
        this.pbaBar = pba & PCI_MSIX_PBA_BIR;
        this.pbaStart = Integer.toUnsignedLong(pba & PCI_MSIX_PBA_OFFSET);
        this.pbaEnd = pbaStart + (long) vectors.pendingWords() * Long.BYTES;
        this.words = new int[vectors.count() * PCI_MSIX_ENTRY_SIZE / Integer.BYTES];
    }

    /** Whether the access is the table's or the array's, not the function's. Both begin and end at multiples of 8. */
    boolean covers(int bar, long offset) {
        return inTable(bar, offset) || inPba(bar, offset);
    }

    /** What it covers of a BAR. */
    List<Area> areas(int bar) {
        List<Area> areas = new ArrayList<>();
        if (bar == tableBar && tableEnd > tableStart) {
            areas.add(new Area(tableStart, tableEnd - tableStart));
        }
        if (bar == pbaBar && pbaEnd > pbaStart) {
            areas.add(new Area(pbaStart, pbaEnd - pbaStart));
        }
        return areas;
    }

    /** Reads 1, 2, 4 or 8 bytes that it covers. */
    long read(int bar, long offset, int width) {
        long aligned = offset & -Long.BYTES;
        long qword = inTable(bar, offset)
                ? Integer.toUnsignedLong(word(aligned)) | ((long) word(aligned + Integer.BYTES) << 32)
                : vectors.pendingWord((int) ((aligned - pbaStart) >> 3));
        return (qword >>> ((offset - aligned) * 8)) & (-1L >>> (64 - width * 8));
    }

    /** Writes 1, 2, 4 or 8 bytes that it covers; to the pending bits, in vain. */
    void write(int bar, long offset, int width, long value) {
        if (!inTable(bar, offset)) {
            return;
        }
        if (width == Long.BYTES) {
            write(bar, offset, Integer.BYTES, value);
            write(bar, offset + Integer.BYTES, Integer.BYTES, value >>> 32);
            return;
        }
        long aligned = offset & -Integer.BYTES;
        int shift = (int) (offset - aligned) * 8;
        int mask = LittleEndian.ones(width) << shift;
        setWord(aligned, LittleEndian.merge(word(aligned), mask, (int) value << shift));
    }

    private int word(long offset) {
        int at = (int) (offset - tableStart);
        if (at % PCI_MSIX_ENTRY_SIZE == PCI_MSIX_ENTRY_VECTOR_CTRL) {
            return vectors.isMasked(at / PCI_MSIX_ENTRY_SIZE) ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
        }
        return words[at / Integer.BYTES];
    }

    private void setWord(long offset, int value) {
        int at = (int) (offset - tableStart);
        if (at % PCI_MSIX_ENTRY_SIZE == PCI_MSIX_ENTRY_VECTOR_CTRL) {
            vectors.setMasked(at / PCI_MSIX_ENTRY_SIZE, (value & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0);
        } else {
            words[at / Integer.BYTES] = value;
        }
    }

    private boolean inTable(int bar, long offset) {
        return bar == tableBar && offset >= tableStart && offset < tableEnd;
    }

    private boolean inPba(int bar, long offset) {
        return bar == pbaBar && offset >= pbaStart && offset < pbaEnd;
    }
}
