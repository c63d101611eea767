package org.vfio4j.vfio;

import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import java.util.function.ToIntFunction;

/**
 * A feature that VFIO itself has, made of functions.
 *
 * @param operations as {@link VfioDeviceFeature#operations()}: the others are never called
 */
record FunctionFeature(
        int operations, int sizeBytes, ToIntFunction<MemorySegment> getter, Consumer<MemorySegment> setter)
        implements VfioDeviceFeature {

    static FunctionFeature get(int sizeBytes, ToIntFunction<MemorySegment> getter) {
        return new FunctionFeature(VFIO_DEVICE_FEATURE_GET, sizeBytes, getter, data -> {});
    }

    static FunctionFeature set(int sizeBytes, Consumer<MemorySegment> setter) {
        return new FunctionFeature(VFIO_DEVICE_FEATURE_SET, sizeBytes, data -> 0, setter);
    }

    static FunctionFeature both(int sizeBytes, ToIntFunction<MemorySegment> getter, Consumer<MemorySegment> setter) {
        return new FunctionFeature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET, sizeBytes, getter, setter);
    }

    @Override
    public int get(MemorySegment data) {
        return getter.applyAsInt(data);
    }

    @Override
    public void set(MemorySegment data) {
        setter.accept(data);
    }
}
