package org.vfio4j.vfiopcicore;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFeature;

/** A feature of a device in low power, which is awake while the user reads or changes it. */
record AwakeFeature(VfioDeviceFeature feature, LowPower power) implements VfioDeviceFeature {

    @Override
    public int operations() {
        return feature.operations();
    }

    @Override
    public int sizeBytes() {
        return feature.sizeBytes();
    }

    @Override
    public int get(MemorySegment data) {
        int[] bytes = {0};
        power.whileAwake(() -> bytes[0] = feature.get(data));
        return bytes[0];
    }

    @Override
    public void set(MemorySegment data) {
        power.whileAwake(() -> feature.set(data));
    }

    @Override
    public void set(MemorySegment data, Fd descriptor) {
        power.whileAwake(() -> feature.set(data, descriptor));
    }
}
