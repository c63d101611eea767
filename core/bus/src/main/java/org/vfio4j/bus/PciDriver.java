package org.vfio4j.bus;

import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * A driver of PCI functions: {@code struct pci_driver}. Loaded by {@link java.util.ServiceLoader}: what a kernel module is, a
 * jar is here. The bus calls it from one thread at a time.
 */
public interface PciDriver {

    /** Its name, as {@code vfio-pci}: unique on a bus. */
    String name();

    /** What it can drive. */
    List<PciDeviceId> idTable();

    /**
     * Takes a device. What it must find again in {@link #remove} it keeps in {@link PciDevice#setDriverData}.
     *
     * @throws ErrnoException when it does not want it: the device stays unbound
     */
    void probe(PciDevice device);

    /** Gives a device back. May wait for the device's user. */
    void remove(PciDevice device);
}
