package org.vfio4j.cli.host;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What a function is, by its class code (PCI Code and ID Assignment 1.15, 1). Stateless. */
final class PciClasses {

    /** By base class, sub-class and programming interface. */
    private static final Map<Integer, String> INTERFACES = Map.ofEntries(
            Map.entry(0x010601, "SATA controller, AHCI"),
            Map.entry(0x010802, "NVMe controller"),
            Map.entry(0x030000, "VGA controller"),
            Map.entry(0x0c0300, "USB controller, UHCI"),
            Map.entry(0x0c0310, "USB controller, OHCI"),
            Map.entry(0x0c0320, "USB controller, EHCI"),
            Map.entry(0x0c0330, "USB controller, xHCI"),
            Map.entry(0x0c0340, "USB4 controller"));

    /** By base class and sub-class. */
    private static final Map<Integer, String> SUBCLASSES = Map.ofEntries(
            Map.entry(0x0100, "SCSI controller"),
            Map.entry(0x0101, "IDE controller"),
            Map.entry(0x0104, "RAID controller"),
            Map.entry(0x0106, "SATA controller"),
            Map.entry(0x0107, "SAS controller"),
            Map.entry(0x0108, "non-volatile memory controller"),
            Map.entry(0x0200, "Ethernet controller"),
            Map.entry(0x0207, "InfiniBand controller"),
            Map.entry(0x0300, "VGA-compatible controller"),
            Map.entry(0x0302, "3D controller"),
            Map.entry(0x0400, "video device"),
            Map.entry(0x0401, "audio device"),
            Map.entry(0x0403, "audio device"),
            Map.entry(0x0500, "RAM"),
            Map.entry(0x0502, "CXL memory"),
            Map.entry(0x0600, "host bridge"),
            Map.entry(0x0601, "ISA bridge"),
            Map.entry(0x0604, "PCI bridge"),
            Map.entry(0x0700, "serial controller"),
            Map.entry(0x0c03, "USB controller"),
            Map.entry(0x0c05, "SMBus controller"),
            Map.entry(0x1200, "accelerator"));

    /** By base class. */
    private static final Map<Integer, String> BASES = Map.ofEntries(
            Map.entry(0x00, "unclassified device"),
            Map.entry(0x01, "storage controller"),
            Map.entry(0x02, "network controller"),
            Map.entry(0x03, "display controller"),
            Map.entry(0x04, "multimedia device"),
            Map.entry(0x05, "memory controller"),
            Map.entry(0x06, "bridge"),
            Map.entry(0x07, "communication controller"),
            Map.entry(0x08, "system peripheral"),
            Map.entry(0x09, "input device"),
            Map.entry(0x0b, "processor"),
            Map.entry(0x0c, "serial bus controller"),
            Map.entry(0x0d, "wireless controller"),
            Map.entry(0x10, "encryption controller"),
            Map.entry(0x11, "signal processor"),
            Map.entry(0x12, "accelerator"),
            Map.entry(0xff, "unclassified device"));

    private PciClasses() {}

    /** @param pciClass 24 bits */
    static String words(int pciClass) {
        return Optional.ofNullable(INTERFACES.get(pciClass))
                .or(() -> Optional.ofNullable(SUBCLASSES.get(pciClass >>> Byte.SIZE)))
                .or(() -> Optional.ofNullable(BASES.get(pciClass >>> Short.SIZE)))
                .orElseGet(() -> String.format(Locale.ROOT, "class %06x", pciClass));
    }
}
