package org.vfio4j.mlx5mdev;

import java.util.List;
import java.util.UUID;
import java.util.function.Supplier;
import org.vfio4j.bus.DriverReference;
import org.vfio4j.mdevcore.MdevInstance;
import org.vfio4j.mdevcore.MdevParentOps;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.ScalableFunction;
import org.vfio4j.mlx5.SfRequest;
import org.vfio4j.mlx5core.Mlx5CoreDriver;

/**
 * The parent that a physical function is: it has its scalable functions made by the firmware, and keeps account of what there is for
 * them, which all types draw on. For all threads.
 */
final class ScalableFunctions implements MdevParentOps {

    private final Mlx5Firmware firmware;
    private final Supplier<DriverReference> driver;
    private final SfQuota quota;

    /** @param driver holds this module's driver */
    ScalableFunctions(Mlx5Firmware firmware, Supplier<DriverReference> driver) {
        this.firmware = firmware;
        this.driver = driver;
        quota = new SfQuota(firmware.sfCaps());
    }

    /** As in the kernel, that of the device of which they are made. */
    @Override
    public String driverName() {
        return Mlx5CoreDriver.NAME;
    }

    @Override
    public List<MdevType> types() {
        return SfType.ALL.stream().map(SfType::mdevType).toList();
    }

    @Override
    public int availableInstances(MdevType type) {
        return quota.available(SfType.of(type));
    }

    @Override
    public MdevInstance create(MdevType type, UUID uuid) {
        SfType wanted = SfType.of(type);
        quota.take(wanted);
        boolean made = false;
        try {
            SfRequest request = new SfRequest(uuid.toString(), wanted.protocol(), wanted.queues(), wanted.sizeBytes());
            ScalableFunction function = firmware.allocSf(request);
            SfInstance instance = new SfInstance(wanted, firmware, function, driver, () -> quota.giveBack(wanted));
            made = true;
            return instance;
        } finally {
            if (!made) {
                quota.giveBack(wanted);
            }
        }
    }
}
