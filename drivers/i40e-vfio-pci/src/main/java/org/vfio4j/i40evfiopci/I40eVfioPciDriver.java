package org.vfio4j.i40evfiopci;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciRegistration;

/**
 * Gives virtual functions of X710 and E810 controllers to users, and makes them migratable: by migration v2, or as kernels before
 * 5.18 had it, by a region and trapped tail registers. The bus's {@link I40eMigration} says which; v2 if there is none. A function
 * whose physical function's driver does not help is given as {@code vfio-pci} gives it. The bus's thread calls.
 */
public final class I40eVfioPciDriver implements PciDriver {

    /** Its name. */
    public static final String NAME = "i40e-vfio-pci";

    private static final int INTEL = 0x8086;
    private static final int XL710_VF = 0x154c;
    private static final int ADAPTIVE_VF = 0x1889;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of(PciDeviceId.vfio(INTEL, XL710_VF), PciDeviceId.vfio(INTEL, ADAPTIVE_VF));
    }

    @Override
    public void probe(PciDevice device) {
        VfioPciCore core = VfioPciCore.create(NAME, device);
        VfioPciRegistration.register(this, device, core, operations(device, core));
    }

    @Override
    public void remove(PciDevice device) {
        remove(device, PciBus.FOREVER);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        device.driverData(VfioPciRegistration.class).unregister(limit);
    }

    private static VfioDeviceOps operations(PciDevice device, VfioPciCore core) {
        Optional<I40eVfControl> vf = device.function().platform(I40eVfControl.class);
        if (vf.isEmpty()) {
            return core;
        }
        return switch (I40eMigration.of(device.bus())) {
            case V1 -> new RegionMigrationDevice(device.function(), core, vf.get());
            case V2 -> withStates(core, new StateMigration(core, vf.get()));
        };
    }

    private static VfioPciCore withStates(VfioPciCore core, StateMigration migration) {
        core.setMigration(migration);
        core.onReset(migration::reset);
        return core;
    }
}
