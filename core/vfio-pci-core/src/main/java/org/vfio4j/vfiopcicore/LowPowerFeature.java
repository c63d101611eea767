package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.Vfio.LowPowerEntryWithWakeup;
import org.vfio4j.vfio.VfioDeviceFeature;

/** {@code VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY}, {@code _ENTRY_WITH_WAKEUP} and {@code _EXIT}. */
final class LowPowerFeature implements VfioDeviceFeature {

    private final LowPower power;
    private final int index;

    /** @param index of which {@link #isOne} is true */
    LowPowerFeature(LowPower power, int index) {
        this.power = power;
        this.index = index;
    }

    static boolean isOne(int index) {
        return index >= VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY && index <= VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
    }

    @Override
    public int operations() {
        return VFIO_DEVICE_FEATURE_SET;
    }

    @Override
    public int sizeBytes() {
        return index == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP ? LowPowerEntryWithWakeup.SIZEOF : 0;
    }

    @Override
    public int get(MemorySegment data) {
        throw new IllegalStateException("no operation of this feature");
    }

    @Override
    public void set(MemorySegment data) {
        switch (index) {
            case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY -> power.enter(Optional.empty());
            case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT -> power.exit();
            default ->
                throw new ErrnoException(EINVAL, "device feature LOW_POWER_ENTRY_WITH_WAKEUP without its descriptor");
        }
    }

    @Override
    public void set(MemorySegment data, Fd descriptor) {
        if (index != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP || !EventFd.isEventFd(descriptor)) {
            descriptor.close();
            throw new ErrnoException(EINVAL, "device feature " + index + " with a descriptor that is not its eventfd");
        }
        power.enter(Optional.of(descriptor));
    }
}
