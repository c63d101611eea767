package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.PCI_MSIX_ENTRY_CTRL_MASKBIT;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_ENTRY_SIZE;

import java.util.ArrayList;
import java.util.List;

/**
 * The BAR that holds an MSI-X table and its pending bits (PCI Local Bus 3.0, 6.8.2): the table first, the pending bits behind
 * it, aligned to 8 bytes. Messages are masked and held back by whoever delivers them, so here the pending bits read as zero.
 */
final class MsixTable implements BarHandler {

    private static final int PBA_ALIGN = 8;

    private final int vectors;
    private final RegisterSet table;

    MsixTable(int vectors) {
        this.vectors = vectors;
        List<Register> registers = new ArrayList<>();
        for (int i = 0; i < vectors; i++) {
            int at = i * PCI_MSIX_ENTRY_SIZE;
            registers.add(Register.at(at, 8, "message address " + i).writable(~3L));
            registers.add(Register.at(at + 8, 4, "message data " + i).writable());
            registers.add(Register.at(at + 12, 4, "vector control " + i)
                    .reset(PCI_MSIX_ENTRY_CTRL_MASKBIT)
                    .writable(PCI_MSIX_ENTRY_CTRL_MASKBIT));
        }
        table = RegisterSet.of(vectors * PCI_MSIX_ENTRY_SIZE, registers);
    }

    int vectors() {
        return vectors;
    }

    /** Where the pending bits begin. */
    int pbaOffset() {
        return vectors * PCI_MSIX_ENTRY_SIZE;
    }

    /** Bytes of table and pending bits. */
    int sizeBytes() {
        return pbaOffset() + (vectors + Long.SIZE - 1) / Long.SIZE * PBA_ALIGN;
    }

    @Override
    public long read(long offset, int width) {
        return offset < table.sizeBytes() ? table.read(offset, width) : 0;
    }

    @Override
    public void write(long offset, int width, long value) {
        if (offset < table.sizeBytes()) {
            table.write(offset, width, value);
        }
    }

    void reset() {
        table.reset();
    }
}
