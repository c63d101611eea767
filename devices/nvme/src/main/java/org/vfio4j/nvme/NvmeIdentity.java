package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.vfio4j.sys.ErrnoException;

/**
 * Who a controller is, as Identify Controller says it (Base 5.17.2.1).
 *
 * @param vendorId VID, the same as in configuration space
 * @param subsystemVendorId SSVID, likewise
 * @param ieeeOui the vendor's, 24 bits, or 0
 * @param controllerId CNTLID, 0 to 0xffef
 * @param serial SN, ASCII, at most 20 characters
 * @param model MN, ASCII, at most 40 characters
 * @param firmware FR, ASCII, at most 8 characters
 * @param subnqn SUBNQN, at most 223 characters
 */
public record NvmeIdentity(
        int vendorId,
        int subsystemVendorId,
        int ieeeOui,
        int controllerId,
        String serial,
        String model,
        String firmware,
        String subnqn) {

    static final int SERIAL_LENGTH = 20;
    static final int MODEL_LENGTH = 40;
    static final int FIRMWARE_LENGTH = 8;
    static final int MAX_NQN_LENGTH = 223;
    private static final int MAX_CONTROLLER_ID = 0xffef;

    /** @throws ErrnoException EINVAL, naming what is too large */
    public NvmeIdentity {
        checkNumber("vendor id", vendorId, 0xffff);
        checkNumber("subsystem vendor id", subsystemVendorId, 0xffff);
        checkNumber("IEEE OUI", ieeeOui, 0xff_ffff);
        checkNumber("controller id", controllerId, MAX_CONTROLLER_ID);
        checkText("serial number", serial, SERIAL_LENGTH);
        checkText("model", model, MODEL_LENGTH);
        checkText("firmware revision", firmware, FIRMWARE_LENGTH);
        checkText("NQN", subnqn, MAX_NQN_LENGTH);
    }

    /**
     * A controller of this serial number, with the ids of {@link Nvme}'s configuration space. The NQN of its subsystem is made of the
     * serial number, and so the same every time.
     */
    public static NvmeIdentity of(String serial) {
        UUID uuid = UUID.nameUUIDFromBytes(("vfio4j:" + serial).getBytes(StandardCharsets.UTF_8));
        return new NvmeIdentity(
                Nvme.PCI_VENDOR_ID_MELLANOX,
                Nvme.PCI_VENDOR_ID_MELLANOX,
                0,
                0,
                serial,
                "vfio4j NVMe Controller",
                "1.0",
                "nqn.2014-08.org.nvmexpress:uuid:" + uuid);
    }

    private static void checkNumber(String what, int value, int max) {
        if (value < 0 || value > max) {
            throw new ErrnoException(
                    EINVAL, what + " 0x" + Integer.toHexString(value) + ", the limit is 0x" + Integer.toHexString(max));
        }
    }

    private static void checkText(String what, String text, int max) {
        if (text.isEmpty() || text.length() > max || !text.chars().allMatch(c -> c >= ' ' && c < 0x7f)) {
            throw new ErrnoException(
                    EINVAL, what + " \"" + text + "\", which is not 1 to " + max + " ASCII characters");
        }
    }
}
