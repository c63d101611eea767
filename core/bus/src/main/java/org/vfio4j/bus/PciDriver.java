package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.ENOENT;

import java.time.Duration;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * A driver of PCI functions: {@code struct pci_driver}. Loaded by {@link java.util.ServiceLoader}: what a kernel module is, a
 * jar is here. For one device the bus calls it from one thread at a time, for several devices from several threads.
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

    /**
     * Gives a device back; what the bus calls. A driver whose {@link #remove(PciDevice)} may wait overrides it.
     *
     * @param limit how long to wait for the device's user
     * @throws ErrnoException EBUSY when the user has not let go by then, EINTR when the thread is interrupted: the driver has
     *     the device as before
     */
    default void remove(PciDevice device, Duration limit) {
        remove(device);
    }

    /** It has been registered: what a module does at its end of init, such as adding ids. Nothing by default. */
    default void registered(PciBus bus) {}

    /**
     * Turns the virtual functions of a device that it has on or off: what a write of {@code sriov_numvfs} asks of the driver,
     * which calls {@link PciBus#enableSriov} or {@link PciBus#disableSriov}.
     *
     * @param numVfs how many; 0 for none
     * @param limit how long to wait for the users of virtual functions that go away
     * @throws ErrnoException ENOENT when the driver does not do that, which is what this one says
     */
    default void sriovConfigure(PciDevice device, int numVfs, Duration limit) {
        throw new ErrnoException(
                ENOENT, "set sriov_numvfs of " + device + ": driver " + name() + " does not configure SR-IOV");
    }
}
