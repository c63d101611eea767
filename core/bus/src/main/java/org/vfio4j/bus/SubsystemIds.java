package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_VENDOR_ID;

/** A function's subsystem ids. A bridge's header has none: windows are in their place there. */
final class SubsystemIds {

    private SubsystemIds() {}

    static int vendor(PciFunction function) {
        return PciBridge.is(function) ? 0 : function.configRead(PCI_SUBSYSTEM_VENDOR_ID, 2);
    }

    static int device(PciFunction function) {
        return PciBridge.is(function) ? 0 : function.configRead(PCI_SUBSYSTEM_ID, 2);
    }
}
