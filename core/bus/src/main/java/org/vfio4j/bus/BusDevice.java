package org.vfio4j.bus;

import java.util.Optional;

/** A device on one of a machine's buses: {@code struct device}, as far as its children are concerned. */
public sealed interface BusDevice permits PciDevice, AuxiliaryDevice {

    /** Its name on its bus, as {@code 0000:08:00.0} or {@code mlx5_core.vfio_pci.2048}. */
    String name();

    /** What it is a part of, or sits behind; empty for one that sits on a root bus. */
    Optional<BusDevice> parent();
}
