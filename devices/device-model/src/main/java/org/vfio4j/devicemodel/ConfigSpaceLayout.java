package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CFG_SPACE_EXP_SIZE;
import static org.vfio4j.uapi.PciRegs.PCI_CFG_SPACE_SIZE;
import static org.vfio4j.uapi.PciRegs.PCI_STD_HEADER_SIZEOF;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.bus.PciBar;

/**
 * Lays out a configuration space: BAR registers, and capabilities one behind the other, each pointing to the next in the order
 * in which they are added (PCI Local Bus 3.0, 6.2.5 and 6.7). Used while a function is built.
 */
final class ConfigSpaceLayout {

    private static final int BARS = 6;

    private final List<Register> registers = new ArrayList<>();
    private long barsUsed;

    void add(Register register) {
        registers.add(register);
    }

    /** The register or the two registers of a BAR; what is writable gives away its size. */
    void addBar(PciBar bar) {
        claimBar(bar);
        boolean wide = bar.kind() == PciBar.Kind.MEM64;
        registers.add(Register.at(PCI_BASE_ADDRESS_0 + 4 * bar.index(), wide ? 8 : 4, "BAR " + bar.index())
                .reset(bar.flags())
                .writable(-bar.sizeBytes()));
    }

    /** A BAR without a register here, as a virtual function's. */
    void claimBar(PciBar bar) {
        boolean wide = bar.kind() == PciBar.Kind.MEM64;
        long claimed = (wide ? 3L : 1L) << bar.index();
        if ((barsUsed & claimed) != 0 || bar.index() >= BARS) {
            throw new IllegalArgumentException("BAR " + bar.index() + " (" + bar.kind() + "): its place is taken");
        }
        barsUsed |= claimed;
    }

    /** The capability list, and the pointer to its first. */
    void addCapabilities(List<Capability> capabilities) {
        int at = capabilities.isEmpty() ? 0 : PCI_STD_HEADER_SIZEOF;
        registers.add(
                Register.at(PCI_CAPABILITY_LIST, 1, "capabilities pointer").reset(at));
        for (int i = 0; i < capabilities.size(); i++) {
            Capability capability = capabilities.get(i);
            int end = at + ((capability.sizeBytes() + 3) & ~3);
            if (end > PCI_CFG_SPACE_SIZE) {
                throw new IllegalArgumentException("capability 0x" + Integer.toHexString(capability.id()) + " ends at "
                        + end + ": the limit is " + PCI_CFG_SPACE_SIZE);
            }
            int next = i + 1 < capabilities.size() ? end : 0;
            registers.add(Register.at(at, 2, "capability header").reset(capability.id() | (next << 8)));
            registers.addAll(capability.body().apply(at));
            at = end;
        }
    }

    /** The extended capabilities, which begin where the first 256 bytes end: PCI Express Base 6.0, 7.6.3. */
    void addExtendedCapabilities(List<ExtendedCapability> capabilities) {
        int at = PCI_CFG_SPACE_SIZE;
        for (int i = 0; i < capabilities.size(); i++) {
            ExtendedCapability capability = capabilities.get(i);
            int end = at + ((capability.sizeBytes() + 3) & ~3);
            int next = i + 1 < capabilities.size() ? end : 0;
            registers.add(Register.at(at, 4, "extended capability header")
                    .reset(capability.id() | (1 << 16) | ((long) next << 20)));
            registers.addAll(capability.body().apply(at));
            at = end;
        }
    }

    RegisterSet build() {
        return RegisterSet.of(PCI_CFG_SPACE_EXP_SIZE, registers);
    }
}
