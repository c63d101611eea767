package org.vfio4j.vfiopci;

import static org.vfio4j.sys.Errno.ENOENT;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiopcicore.VfioPciRegistration;

/**
 * The generic driver: gives any function to users as {@code vfio-pci-core} does, and no more. It takes what is named for it by
 * driver_override and what has one of the {@code ids} of its {@link VfioPciOptions}. Needs the machine's {@link VfioRegistry} on
 * the bus. The bus's threads call.
 */
public final class VfioPciDriver implements PciDriver {

    /** Its name. */
    public static final String NAME = "vfio-pci";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of(PciDeviceId.anyWithOverride());
    }

    /** Adds the {@code ids} of the bus's options. */
    @Override
    public void registered(PciBus bus) {
        for (PciDeviceId id : VfioPciOptions.of(bus).ids()) {
            try {
                bus.addId(NAME, id);
            } catch (ErrnoException e) {
                // One id may cover another; the rest is of use.
                System.getLogger(NAME).log(Level.WARNING, "vfio-pci option ids: {0}", e.getMessage());
            }
        }
    }

    @Override
    public void probe(PciDevice device) {
        Denylist.check(device, VfioPciOptions.of(device));
        VfioPciCore core = VfioPciCore.create(NAME, device);
        VfioPciRegistration.register(this, device, core, core);
    }

    @Override
    public void remove(PciDevice device) {
        remove(device, PciBus.FOREVER);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        device.driverData(VfioPciRegistration.class).unregister(limit);
    }

    /** {@inheritDoc} With {@code enable_sriov} only: the user of the physical function has to help virtual ones along. */
    @Override
    public void sriovConfigure(PciDevice device, int numVfs, Duration limit) {
        VfioPciRegistration registration = device.driverData(VfioPciRegistration.class);
        if (!registration.core().options().enableSriov()) {
            throw new ErrnoException(
                    ENOENT, "set sriov_numvfs of " + device + ": vfio-pci does that with its option enable_sriov only");
        }
        registration.sriovConfigure(numVfs, limit);
    }
}
