package org.vfio4j.vfiopci;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.System.Logger.Level;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiopcifacts.PciFactsTable;

/** Devices with errata by which a user could harm others: those that facts say are denylisted. Stateless. */
final class Denylist {

    private Denylist() {}

    /** @throws ErrnoException EINVAL for a device of the list, unless {@code disable_denylist} is set */
    static void check(PciDevice device, VfioPciOptions options) {
        if (!PciFactsTable.of(device.bus()).of(device.function()).denylisted()) {
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
