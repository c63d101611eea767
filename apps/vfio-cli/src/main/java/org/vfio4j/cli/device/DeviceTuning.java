package org.vfio4j.cli.device;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.util.Optional;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.sys.ErrnoException;

/** What of an emulated device can be changed while it is used. Any thread. */
public interface DeviceTuning {

    /** {@link #limit}: as it is. */
    long UNCHANGED = -1;

    /** Of a device that has neither a size nor limits. */
    DeviceTuning NONE = new DeviceTuning() {};

    /** @throws ErrnoException EINVAL for a size that is none or smaller than now, EOPNOTSUPP when it cannot grow */
    default void resize(long sizeBytes) {
        throw new ErrnoException(EOPNOTSUPP, "resize of a device without storage");
    }

    /**
     * As {@link #resize(long)}, for one namespace of several.
     *
     * @throws ErrnoException ENODEV when there is no such namespace, EOPNOTSUPP when there are none
     */
    default void resize(int nsid, long sizeBytes) {
        throw new ErrnoException(EOPNOTSUPP, "resize of namespace " + nsid + " of what is no NVMe controller");
    }

    /** @throws ErrnoException EOPNOTSUPP when it is no network function of a DPU */
    default SnapPort snapPort() {
        throw new ErrnoException(EOPNOTSUPP, "emulate a function behind what is no DPU's network function");
    }

    /** Its limits as they are now, to look at; empty for a device that has none. */
    default Optional<DeviceLimits> limits() {
        return Optional.empty();
    }

    /**
     * @param requestsPerSecond 0 for no limit, or {@link #UNCHANGED}
     * @param bytesPerSecond 0 for no limit, or {@link #UNCHANGED}
     */
    default void limit(long requestsPerSecond, long bytesPerSecond) {
        throw new ErrnoException(EOPNOTSUPP, "limits of a device without storage");
    }
}
