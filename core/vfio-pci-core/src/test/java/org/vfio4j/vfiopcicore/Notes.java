package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.vfio4j.vfio.VfioDeviceFeature;

/** A feature of one byte that is always 42. */
final class Notes implements VfioDeviceFeature {

    @Override
    public int operations() {
        return VFIO_DEVICE_FEATURE_GET;
    }

    @Override
    public int sizeBytes() {
        return 1;
    }

    @Override
    public int get(MemorySegment data) {
        data.set(ValueLayout.JAVA_BYTE, 0, (byte) 42);
        return 1;
    }

    @Override
    public void set(MemorySegment data) {
        throw new IllegalStateException("no operation of this feature");
    }
}
