package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_VENDOR_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

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

    private static boolean fits(int wanted, int id) {
        return wanted == ANY || wanted == id;
    }
}
