package org.vfio4j.vfiopcicore;

import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;

/**
 * What a platform adds to every PCI device that {@code vfio-pci-core} serves: regions, capabilities and features that come from
 * facts of the platform, and have no state of their own that a driver would migrate. Found by {@link java.util.ServiceLoader},
 * and run when a driver makes its {@link VfioPciCore}, by the order of names.
 */
public interface VfioPciExtension {

    /** Its name, as {@code x86}. */
    String name();

    /**
     * Adds what the platform has for this device. The device is not open. What is registered here stays until
     * {@link VfioPciCore#release}.
     *
     * @throws ErrnoException ENODEV when there is nothing of this platform's about the device, which is no failure and leaves
     *     nothing behind; any other errno fails the driver's probe
     */
    void attach(VfioPciCore core, PciDevice device);
}
