package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.util.Locale;

/** Device aliases as the kernel writes them into sysfs. */
final class Modalias {

    /** Prefix of what a driver takes by itself. */
    static final String PCI = "pci";

    /** Prefix of what a driver takes once driver_override names it: MODULE_ALIAS_VFIO. */
    static final String VFIO_PCI = "vfio_pci";

    private Modalias() {}

    static String of(PciFunction function) {
        int classCode = function.configRead(PCI_CLASS_REVISION, 4) >>> 8;
        return String.format(
                Locale.ROOT,
                "%s:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X",
                PCI,
                function.configRead(PCI_VENDOR_ID, 2),
                function.configRead(PCI_DEVICE_ID, 2),
                SubsystemIds.vendor(function),
                SubsystemIds.device(function),
                classCode >>> 16,
                classCode >>> 8 & 0xff,
                classCode & 0xff);
    }
}
