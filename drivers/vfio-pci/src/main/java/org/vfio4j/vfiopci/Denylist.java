package org.vfio4j.vfiopci;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.System.Logger.Level;
import java.util.List;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciOptions;

/**
 * Devices with errata by which a user could harm others: the kernel's list of Intel's QAT accelerators and of DSA and IAX of
 * Sapphire Rapids.
 */
final class Denylist {

    private static final int INTEL = 0x8086;

    private static final List<PciDeviceId> IDS = List.of(
            PciDeviceId.of(INTEL, 0x19e2), // C3XXX
            PciDeviceId.of(INTEL, 0x19e3), // C3XXX VF
            PciDeviceId.of(INTEL, 0x37c8), // C62X
            PciDeviceId.of(INTEL, 0x37c9), // C62X VF
            PciDeviceId.of(INTEL, 0x0435), // DH895XCC
            PciDeviceId.of(INTEL, 0x0443), // DH895XCC VF
            PciDeviceId.of(INTEL, 0x0b25), // DSA
            PciDeviceId.of(INTEL, 0x0cfe)); // IAX

    private Denylist() {}

    /** @throws ErrnoException EINVAL for a device of the list, unless {@code disable_denylist} is set */
    static void check(PciDevice device, VfioPciOptions options) {
        if (IDS.stream().noneMatch(id -> id.matches(device.function()))) {
            return;
        }
        if (!options.disableDenylist()) {
            throw new ErrnoException(
                    EINVAL,
                    "probe of " + device + " (" + device.modalias()
                            + "), which is on the denylist; disable_denylist allows it");
        }
        System.getLogger(Denylist.class.getName())
                .log(Level.WARNING, "{0} is on the denylist, which is disabled: users of it are trusted", device);
    }
}
