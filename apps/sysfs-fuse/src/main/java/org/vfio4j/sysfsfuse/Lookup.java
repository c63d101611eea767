package org.vfio4j.sysfsfuse;

import java.util.Optional;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevUuid;
import org.vfio4j.sys.ErrnoException;

/** Devices by the names that the tree has for them. A name that is written otherwise is another's. */
final class Lookup {

    private Lookup() {}

    static Optional<PciDevice> pci(PciBus bus, String name) {
        try {
            return Optional.of(bus.device(PciAddress.parse(name)))
                    .filter(device -> device.name().equals(name));
        } catch (IllegalArgumentException | ErrnoException e) {
            return Optional.empty();
        }
    }

    static Optional<AuxiliaryDevice> auxiliary(PciBus bus, String name) {
        return bus.auxiliary().devices().stream()
                .filter(device -> device.name().equals(name))
                .findFirst();
    }

    static Optional<MdevDevice> mdev(MdevBus mdevs, String name) {
        try {
            return mdevs.findDevice(MdevUuid.parse(name))
                    .filter(device -> device.uuid().toString().equals(name));
        } catch (ErrnoException e) {
            return Optional.empty();
        }
    }
}
