package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.util.List;
import java.util.Locale;
import org.vfio4j.sys.ErrnoException;

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

    /**
     * Parses hexadecimal fields, as a write of {@code new_id} and an entry of vfio-pci's {@code ids} have them: vendor, device,
     * and optionally subsystem vendor, subsystem, class and class mask, in this order. A subsystem id of {@code ffffffff} is
     * {@link #ANY}, as is one that is not there.
     *
     * @throws ErrnoException EINVAL for fewer than two fields, more than six, or one that is no number of its size
     */
    public static PciDeviceId parse(List<String> fields) {
        if (fields.size() < 2 || fields.size() > 6) {
            throw new ErrnoException(EINVAL, "PCI id " + fields + ": 2 to 6 fields are needed");
        }
        return new PciDeviceId(
                number(fields, 0, 0xffff),
                number(fields, 1, 0xffff),
                fields.size() > 2 ? number(fields, 2, 0xffff) : ANY,
                fields.size() > 3 ? number(fields, 3, 0xffff) : ANY,
                fields.size() > 4 ? number(fields, 4, 0xffffff) : 0,
                fields.size() > 5 ? number(fields, 5, 0xffffff) : 0,
                false);
    }

    /**
     * Whether a driver with this id takes every device that one with {@code other} does, driver_override apart: what {@code
     * new_id} and {@code remove_id} go by.
     */
    boolean includes(PciDeviceId other) {
        return !overrideOnly
                && fits(vendor, other.vendor)
                && fits(device, other.device)
                && fits(subvendor, other.subvendor)
                && fits(subdevice, other.subdevice)
                && ((other.classCode ^ classCode) & classMask) == 0;
    }

    /** Whether it fits the ids in a function's configuration space; driver_override is not looked at. */
    public boolean matches(PciFunction function) {
        return fits(vendor, function.configRead(PCI_VENDOR_ID, 2))
                && fits(device, function.configRead(PCI_DEVICE_ID, 2))
                && fits(subvendor, SubsystemIds.vendor(function))
                && fits(subdevice, SubsystemIds.device(function))
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

    private static int number(List<String> fields, int index, int limit) {
        String text = fields.get(index).replaceFirst("^0[xX]", "");
        boolean isAny = index >= 2 && index <= 3 && text.equalsIgnoreCase("ffffffff");
        // Longer ones are too large, and Integer.parseInt would take a sign.
        if (!isAny && (!text.matches("[0-9a-fA-F]{1,7}") || Integer.parseInt(text, 16) > limit)) {
            throw new ErrnoException(
                    EINVAL,
                    "PCI id " + fields + ": '" + fields.get(index) + "' is no hexadecimal number up to "
                            + Integer.toHexString(limit));
        }
        return isAny ? ANY : Integer.parseInt(text, 16);
    }

    private static boolean fits(int wanted, int id) {
        return wanted == ANY || wanted == id;
    }
}
