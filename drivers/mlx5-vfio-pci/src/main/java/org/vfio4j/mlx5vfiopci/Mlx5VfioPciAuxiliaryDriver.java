package org.vfio4j.mlx5vfiopci;

import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.List;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDeviceId;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mlx5core.Mlx5VfioPciDevice;
import org.vfio4j.sys.ErrnoException;

/**
 * Finds the functions that a DPU emulates, as auxiliary devices {@code mlx5_core.vfio_pci.N}, and has {@link Mlx5VfioPciDriver} drive
 * them on the PCI bus for as long as their auxiliary devices are there. The bus's threads call.
 */
public final class Mlx5VfioPciAuxiliaryDriver implements AuxiliaryDriver {

    static final AuxiliaryDeviceId ID = new AuxiliaryDeviceId("mlx5_core.vfio_pci");

    @Override
    public String name() {
        return Mlx5VfioPciDriver.NAME;
    }

    @Override
    public List<AuxiliaryDeviceId> idTable() {
        return List.of(ID);
    }

    /** {@inheritDoc} EBUSY when another driver has the function. */
    @Override
    public void probe(AuxiliaryDevice device, AuxiliaryDeviceId id) {
        SnapClaim claim = new SnapClaim(device.data(Mlx5VfioPciDevice.class));
        device.setDriverData(claim);
        PciDevice function = claim.part().function();
        function.bus().bind(function, Mlx5VfioPciDriver.NAME);
    }

    @Override
    public void remove(AuxiliaryDevice device, Duration limit) {
        SnapClaim claim = device.driverData(SnapClaim.class);
        PciDevice function = claim.part().function();
        claim.gate().set(false);
        boolean gone = false;
        try {
            function.bus().unbind(function, limit);
            gone = true;
        } catch (ErrnoException e) {
            // Nobody had it, or it was unplugged.
            gone = e.errno() == ENODEV;
            if (!gone) {
                throw e;
            }
        } finally {
            if (!gone) {
                claim.gate().set(true);
            }
        }
    }
}
