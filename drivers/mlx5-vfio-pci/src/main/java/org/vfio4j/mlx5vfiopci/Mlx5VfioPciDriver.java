package org.vfio4j.mlx5vfiopci;

import java.time.Duration;
import java.util.List;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.mlx5core.Mlx5VfioPciDevice;
import org.vfio4j.mlx5migration.Mlx5Migration;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciRegistration;

/**
 * Gives the functions that a DPU emulates to users, and makes them migratable with what the DPU's firmware can do. It matches none by
 * id: what an emulated function is to its driver, a virtio disk say, does not tell that firmware stands behind it. {@link
 * Mlx5VfioPciAuxiliaryDriver} binds them, and driver_override, which {@code mlx5_core} sets, keeps others from them. The bus's threads
 * call.
 */
public final class Mlx5VfioPciDriver implements PciDriver {

    /** Its name, and the auxiliary driver's. */
    public static final String NAME = "mlx5-vfio-pci";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of();
    }

    /** Auxiliary devices may have waited for it. */
    @Override
    public void registered(PciBus bus) {
        for (AuxiliaryDevice device : bus.auxiliary().devices()) {
            if (device.driver().isEmpty() && device.matchName().equals(Mlx5VfioPciAuxiliaryDriver.ID)) {
                bus.auxiliary().probe(device);
            }
        }
    }

    /**
     * {@inheritDoc} ENODEV for a function that no auxiliary device speaks for: its own or, for a virtual function, that of its
     * physical one.
     */
    @Override
    public void probe(PciDevice device) {
        Mlx5VfioPciDevice part = device.physicalFunction()
                .map(physical -> virtual(device, SnapClaim.ofPhysical(physical)))
                .orElseGet(() -> SnapClaim.of(device));
        VfioPciCore core = VfioPciCore.create(NAME, device);
        Mlx5Migration.addTo(core, part.firmware(), part.vhcaId());
        VfioPciRegistration.register(this, device, core, core);
    }

    private static Mlx5VfioPciDevice virtual(PciDevice device, Mlx5VfioPciDevice physical) {
        int vhcaId = physical.firmware().virtualVhcaId(physical.vhcaId(), device.virtualIndex());
        return new Mlx5VfioPciDevice(device, vhcaId, physical.firmware());
    }

    /**
     * {@inheritDoc} Virtual functions are for this driver too, and go before it loses the physical one. What they need of that
     * one its firmware does, not its user; so there is no option to be set for it.
     */
    @Override
    public void sriovConfigure(PciDevice device, int numVfs, Duration limit) {
        device.driverData(VfioPciRegistration.class).sriovConfigure(numVfs, limit);
    }

    @Override
    public void remove(PciDevice device) {
        remove(device, PciBus.FOREVER);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        device.driverData(VfioPciRegistration.class).unregister(limit);
    }
}
