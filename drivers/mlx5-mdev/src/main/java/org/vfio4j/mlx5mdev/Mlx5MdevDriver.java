package org.vfio4j.mlx5mdev;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDeviceId;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.SysfsPaths;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mlx5core.Mlx5MdevDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiomdev.VfioMdevDriver;

/**
 * Finds the physical functions of a DPU that can have scalable ones, as auxiliary devices {@code mlx5_core.mdev.N}, and makes each a
 * parent of mediated devices, for as long as its auxiliary device is there. The bus's threads call.
 */
public final class Mlx5MdevDriver implements AuxiliaryDriver {

    /** Its name, and that of its devices' operations. */
    public static final String NAME = "mlx5-mdev";

    private static final AuxiliaryDeviceId ID = new AuxiliaryDeviceId("mlx5_core.mdev");
    private static final SysfsPaths PATHS = new SysfsPaths(Path.of("/"));

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<AuxiliaryDeviceId> idTable() {
        return List.of(ID);
    }

    /** {@inheritDoc} ENODEV on a machine without an {@link MdevBus} or a {@link VfioRegistry}. */
    @Override
    public void probe(AuxiliaryDevice device, AuxiliaryDeviceId id) {
        Mlx5MdevDevice part = device.data(Mlx5MdevDevice.class);
        PciBus machine = device.bus().pci();
        ScalableFunctions functions =
                new ScalableFunctions(part.firmware(), () -> device.bus().reference(this));
        MdevParent parent = machine.service(MdevBus.class)
                .register(
                        part.parent().name(),
                        PATHS.of(part.parent()).toString(),
                        functions,
                        new VfioMdevDriver(machine.service(VfioRegistry.class)));
        device.setDriverData(parent);
    }

    /** {@inheritDoc} The parent's devices go with it: their users are asked to let go, and when one stays all do. */
    @Override
    public void remove(AuxiliaryDevice device, Duration limit) {
        device.bus().pci().service(MdevBus.class).unregister(device.driverData(MdevParent.class), limit);
    }
}
