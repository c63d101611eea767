package org.vfio4j.vfiomdev;

import static org.vfio4j.sys.Errno.EINVAL;

import java.time.Duration;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevDriver;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;

/**
 * Makes mdevs VFIO devices: the channel between the mdev core and VFIO, which knows no parent and no kind of device. What VFIO has
 * of a device is its driver data. The bus's threads call.
 */
public final class VfioMdevDriver implements MdevDriver {

    /** Its name. */
    public static final String NAME = "vfio-mdev";

    private final VfioRegistry registry;

    /** @param registry where the devices go */
    public VfioMdevDriver(VfioRegistry registry) {
        this.registry = registry;
    }

    /** What VFIO has of a device that this driver has. */
    public static VfioDevice vfioDevice(MdevDevice device) {
        return device.driverData(VfioDevice.class);
    }

    @Override
    public String name() {
        return NAME;
    }

    /** {@inheritDoc} @throws ErrnoException EINVAL for a device without operations, and what {@link VfioRegistry#register} says */
    @Override
    public void probe(MdevDevice device) {
        if (!(device.instance() instanceof VfioMdevInstance instance)) {
            throw new ErrnoException(EINVAL, NAME + ": " + device + " has no operations of a VFIO device");
        }
        device.setDriverData(registry.register(
                instance.ops(), instance::referenceDriver, device.uuid().toString()));
    }

    @Override
    public void remove(MdevDevice device, Duration limit) {
        registry.unregister(vfioDevice(device), limit);
    }
}
