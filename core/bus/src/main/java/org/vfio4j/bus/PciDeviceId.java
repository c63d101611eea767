package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_VENDOR_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.util.Locale;

/**
 * An entry of a driver's id table: {@code struct pci_device_id} (linux/mod_devicetable.h).
 *
 * @param vendor vendor id, or {@link #ANY}
 * @param device device id, or {@link #ANY}
 * @param subvendor subsystem vendor id, or {@link #ANY}
 * @param subdevice subsystem id, or {@link #ANY}
 * @param classCode the 24-bit class code as far as {@code classMask} goes
 * @param classMask which bits of the class code count
 * @param overrideOnly whether it matches only a device whose driver_override names the driver
 */
public record PciDeviceId(
        int vendor, int device, int subvendor, int subdevice, int classCode, int classMask, boolean overrideOnly) {

    /** Matches every id: PCI_ANY_ID. */
    public static final int ANY = -1;

    /** Matches by vendor and device. */
    public static PciDeviceId of(int vendor, int device) {
        return new PciDeviceId(vendor, device, ANY, ANY, 0, 0, false);
    }

    /** Matches by vendor and device once driver_override names the driver: PCI_DRIVER_OVERRIDE_DEVICE_VFIO. */
    public static PciDeviceId vfio(int vendor, int device) {
        return new PciDeviceId(vendor, device, ANY, ANY, 0, 0, true);
    }

    /** Matches everything whose driver_override names the driver: PCI_DRIVER_OVERRIDE_DEVICE_VFIO with wildcards. */
    public static PciDeviceId anyWithOverride() {
        return new PciDeviceId(ANY, ANY, ANY, ANY, 0, 0, true);
    }

    /** Whether it fits the ids in a function's configuration space; driver_override is not looked at. */
    public boolean matches(PciFunction function) {
        return fits(vendor, function.configRead(PCI_VENDOR_ID, 2))
                && fits(device, function.configRead(PCI_DEVICE_ID, 2))
                && fits(subvendor, function.configRead(PCI_SUBSYSTEM_VENDOR_ID, 2))
                && fits(subdevice, function.configRead(PCI_SUBSYSTEM_ID, 2))
                && ((function.configRead(PCI_CLASS_REVISION, 4) >>> 8 ^ classCode) & classMask) == 0;
    }

    /**
     * The alias by which tools find the driver: {@code pci:...}, or {@code vfio_pci:...} for an entry that needs
     * driver_override. A part of the class code is a wildcard unless the mask takes all of it.
     */
    public String alias() {
        return (overrideOnly ? Modalias.VFIO_PCI : Modalias.PCI)
                + ":v" + field("%08X", vendor, ANY)
                + "d" + field("%08X", device, ANY)
                + "sv" + field("%08X", subvendor, ANY)
                + "sd" + field("%08X", subdevice, ANY)
                + "bc" + classField(16)
                + "sc" + classField(8)
                + "i" + classField(0);
    }

    private String classField(int shift) {
        int mask = classMask >>> shift & 0xff;
        return field("%02X", mask == 0xff ? classCode >>> shift & 0xff : ANY, ANY);
    }

    private static String field(String format, int value, int any) {
        return value == any ? "*" : String.format(Locale.ROOT, format, value);
    }

    private static boolean fits(int wanted, int id) {
        return wanted == ANY || wanted == id;
    }
}
