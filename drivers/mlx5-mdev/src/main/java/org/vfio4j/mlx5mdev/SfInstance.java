package org.vfio4j.mlx5mdev;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.vfio4j.bus.DriverReference;
import org.vfio4j.mdevcore.MdevAttribute;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.ScalableFunction;
import org.vfio4j.mlx5migration.Mlx5Migration;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfiomdev.VfioMdevInstance;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** A scalable function as an mdev: on no PCI bus, driven by vfio-pci-core, and migrated as the functions are that are on one. */
final class SfInstance implements VfioMdevInstance {

    private final Mlx5Firmware firmware;
    private final ScalableFunction function;
    private final VfioPciCore core;
    private final Supplier<DriverReference> driver;
    private final Runnable giveBack;
    private final Map<String, MdevAttribute> attributes = new LinkedHashMap<>();

    /**
     * @param function the instance's from now on
     * @param giveBack run when it has ended
     */
    SfInstance(
            SfType type,
            Mlx5Firmware firmware,
            ScalableFunction function,
            Supplier<DriverReference> driver,
            Runnable giveBack) {
        this.firmware = firmware;
        this.function = function;
        this.driver = driver;
        this.giveBack = giveBack;
        core = new VfioPciCore(Mlx5MdevDriver.NAME, function.function());
        Mlx5Migration.addTo(core, firmware, function.vhcaId());
        attributes.put("queues", () -> Integer.toString(type.queues()));
        attributes.put("size", () -> Long.toString(type.sizeBytes()));
        attributes.put("storage", function::storage);
        attributes.put("vhca_id", () -> Integer.toString(function.vhcaId()));
    }

    @Override
    public VfioDeviceOps ops() {
        return core;
    }

    @Override
    public DriverReference referenceDriver() {
        return driver.get();
    }

    @Override
    public Map<String, MdevAttribute> attributes() {
        return attributes;
    }

    @Override
    public <T> Optional<T> platform(Class<T> wanted) {
        return function.function().platform(wanted);
    }

    @Override
    public void close() {
        core.release();
        try {
            firmware.deallocSf(function.vhcaId());
        } finally {
            giveBack.run();
        }
    }
}
