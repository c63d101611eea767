package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.uapi.PciRegs.*;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * What a function's SR-IOV capability says of its virtual functions (PCI Express Base 6.0, 9.3.3), read once.
 *
 * @param position where the capability is
 * @param control what its control register holds while no virtual function is on
 * @param totalVfs how many there can be, 1 or more
 * @param offset distance of the first in routing ids
 * @param stride distance of one from the next
 * @param vfDeviceId device id of each
 * @param pageSize the system page size, as its register has it
 * @param bars the BARs that each has, by ascending index
 */
record SriovRegisters(
        int position,
        int control,
        int totalVfs,
        int offset,
        int stride,
        int vfDeviceId,
        int pageSize,
        List<PciBar> bars) {

    private static final int PAGE_BYTES = 4096;

    /**
     * Finds the capability, turns all virtual functions off and sets the page size.
     *
     * @return empty when the function has none or has no virtual functions
     * @throws ErrnoException EIO when the capability makes no sense
     */
    static Optional<SriovRegisters> find(PciFunction function) {
        int position = position(function);
        if (position == 0) {
            return Optional.empty();
        }
        int total = function.configRead(position + PCI_SRIOV_TOTAL_VF, 2);
        if (total == 0) {
            return Optional.empty();
        }
        int control = function.configRead(position + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_ARI;
        function.configWrite(position + PCI_SRIOV_CTRL, 2, control);
        function.configWrite(position + PCI_SRIOV_NUM_VF, 2, 0);
        int initial = function.configRead(position + PCI_SRIOV_INITIAL_VF, 2);
        int offset = function.configRead(position + PCI_SRIOV_VF_OFFSET, 2);
        int stride = function.configRead(position + PCI_SRIOV_VF_STRIDE, 2);
        int pageSizes = function.configRead(position + PCI_SRIOV_SUP_PGSIZE, 4);
        check(initial == total, "InitialVFs " + initial + ", TotalVFs " + total);
        check(offset != 0 && (stride != 0 || total == 1), "first VF offset " + offset + ", VF stride " + stride);
        check(pageSizes != 0, "no page size is supported");
        int pageSize = Integer.lowestOneBit(pageSizes);
        function.configWrite(position + PCI_SRIOV_SYS_PGSIZE, 4, pageSize);
        return Optional.of(new SriovRegisters(
                position,
                control,
                total,
                offset,
                stride,
                function.configRead(position + PCI_SRIOV_VF_DID, 2),
                pageSize,
                size(function, position + PCI_SRIOV_BAR)));
    }

    /** Offset of a register of the capability. */
    int at(int register) {
        return position + register;
    }

    /** Offset of a VF BAR. */
    int bar(int index) {
        return position + PCI_SRIOV_BAR + index * Integer.BYTES;
    }

    // A loop in the chain ends it, as does a function that is no PCI Express function.
    private static int position(PciFunction function) {
        BitSet seen = new BitSet();
        int at = function.configSize() > PCI_CFG_SPACE_SIZE ? PCI_CFG_SPACE_SIZE : 0;
        while (at >= PCI_CFG_SPACE_SIZE && !seen.get(at)) {
            seen.set(at);
            int header = function.configRead(at, Integer.BYTES);
            if ((header & 0xffff) == PCI_EXT_CAP_ID_SRIOV) {
                return at + PCI_EXT_CAP_SRIOV_SIZEOF <= function.configSize() ? at : 0;
            }
            at = header >>> 20 & 0xffc;
        }
        return 0;
    }

    // By writing ones and looking which stay (PCI Local Bus 3.0, 6.2.5.1).
    private static List<PciBar> size(PciFunction function, int registers) {
        List<PciBar> bars = new ArrayList<>();
        for (int i = 0; i < PCI_SRIOV_NUM_BARS; i++) {
            int low = mask(function, registers + i * Integer.BYTES);
            if (low == 0) {
                continue;
            }
            boolean wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
            check((low & PCI_BASE_ADDRESS_SPACE) == 0 && !(wide && i == PCI_SRIOV_NUM_BARS - 1), "VF BAR " + i);
            long high = wide ? mask(function, registers + (i + 1) * Integer.BYTES) : -1;
            long sizeBytes = -(high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK & 0xffff_ffffL));
            check(
                    sizeBytes >= PAGE_BYTES && Long.bitCount(sizeBytes) == 1,
                    "VF BAR " + i + " of " + Long.toUnsignedString(sizeBytes) + " bytes");
            boolean prefetchable = (low & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0;
            bars.add(new PciBar(i, sizeBytes, wide ? PciBar.Kind.MEM64 : PciBar.Kind.MEM32, prefetchable));
            i += wide ? 1 : 0;
        }
        return List.copyOf(bars);
    }

    private static int mask(PciFunction function, int register) {
        int old = function.configRead(register, Integer.BYTES);
        function.configWrite(register, Integer.BYTES, -1);
        int ones = function.configRead(register, Integer.BYTES);
        function.configWrite(register, Integer.BYTES, old);
        return ones;
    }

    private static void check(boolean makesSense, String what) {
        if (!makesSense) {
            throw new ErrnoException(EIO, "SR-IOV capability: " + what);
        }
    }
}
