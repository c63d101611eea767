package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_0;
import static org.vfio4j.uapi.PciRegs.PCI_BASE_ADDRESS_5;
import static org.vfio4j.uapi.PciRegs.PCI_ROM_ADDRESS;
import static org.vfio4j.uapi.PciRegs.PCI_ROM_ADDRESS_ENABLE;

import java.util.List;
import org.vfio4j.bus.PciBar;

/**
 * The virtual base address registers: they keep any address that the user writes, as far as the BAR's size lets them, so that
 * sizing by all-ones works (PCI Local Bus 3.0, 6.2.5.1); where the function really decodes is not the user's affair.
 */
final class BarRegisters {

    private BarRegisters() {}

    /**
     * Sets up all six and the ROM's: the function's addresses to begin with, nothing where it has no BAR. The ROM's enable bit is
     * the user's to set, to no effect.
     *
     * @param romSizeBytes 0 when there is no ROM
     */
    static void install(ConfigSpace config, List<PciBar> bars, int romSizeBytes) {
        for (int register = PCI_BASE_ADDRESS_0; register <= PCI_BASE_ADDRESS_5; register += 4) {
            install(config, register, 0, 0);
        }
        install(config, PCI_ROM_ADDRESS, romSizeBytes == 0 ? 0 : -romSizeBytes | PCI_ROM_ADDRESS_ENABLE, 0);
        for (PciBar bar : bars) {
            int register = PCI_BASE_ADDRESS_0 + 4 * bar.index();
            long mask = -bar.sizeBytes();
            install(config, register, (int) mask, bar.flags());
            if (bar.kind() == PciBar.Kind.MEM64) {
                install(config, register + 4, (int) (mask >>> 32), 0);
            }
        }
    }

    private static void install(ConfigSpace config, int register, int addressMask, int flags) {
        config.perms().setDword(register, PermTable.ALL, addressMask);
        config.set(register, 4, (config.hardware(register, 4) & addressMask) | flags);
    }
}
