package org.vfio4j.vfiopcix86;

import static org.vfio4j.uapi.PciRegs.PCI_CLASS_DEVICE;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciExtension;

/** What a PC has for graphics functions beyond PCI: the legacy VGA ranges, and what Intel's integrated graphics (IGD) needs. */
public final class X86Extension implements VfioPciExtension {

    static final int INTEL = 0x8086;

    private static final int PCI_CLASS_DISPLAY_VGA = 0x0300;

    @Override
    public String name() {
        return "x86";
    }

    @Override
    public void attach(VfioPciCore core, PciDevice device) {
        PciFunction function = device.function();
        if (function.configRead(PCI_CLASS_DEVICE, 2) != PCI_CLASS_DISPLAY_VGA) {
            return;
        }
        if (!core.options().disableVga()) {
            function.platform(VgaAccess.class).ifPresent(access -> core.registerVgaRegion(new VgaRegion(access)));
        }
        if (function.configRead(PCI_VENDOR_ID, 2) == INTEL) {
            function.platform(IgdMemory.class).ifPresent(memory -> Igd.attach(core, device, memory));
        }
    }
}
