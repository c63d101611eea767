package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_BUS_MASTER;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFeature;

/** The features of a device: those that every PCI device has, and those that were added. Safe for all threads. */
final class Features {

    private final Map<Integer, VfioDeviceFeature> added = new ConcurrentHashMap<>();

    /** @throws ErrnoException EEXIST when the device has one at this index */
    void add(int index, VfioDeviceFeature feature) {
        boolean own = index == VFIO_DEVICE_FEATURE_BUS_MASTER || LowPowerFeature.isOne(index);
        if (own || added.putIfAbsent(index, feature) != null) {
            throw new ErrnoException(EEXIST, "add device feature " + index + ", which the device has");
        }
    }

    /** The feature of an open device, for its user. */
    Optional<VfioDeviceFeature> find(PciSession session, int index) {
        LowPower power = session.lowPower();
        if (LowPowerFeature.isOne(index)) {
            return Optional.of(new LowPowerFeature(power, index));
        }
        Optional<VfioDeviceFeature> feature = index == VFIO_DEVICE_FEATURE_BUS_MASTER
                ? Optional.of(new BusMasterFeature(session.command()))
                : Optional.ofNullable(added.get(index));
        return power.isEngaged() ? feature.map(found -> new AwakeFeature(found, power)) : feature;
    }
}
