package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * A feature of a device: what {@code VFIO_DEVICE_FEATURE} (linux/vfio.h) reads or changes. The user's thread calls; VFIO has
 * checked that the operation is one of {@link #operations}. Failures are {@code ErrnoException}s, whose errno goes to the user.
 */
public interface VfioDeviceFeature {

    /** {@code VFIO_DEVICE_FEATURE_GET}, {@code VFIO_DEVICE_FEATURE_SET} or both. */
    int operations();

    /** Bytes of its data that {@link #get} and {@link #set} need at least. */
    int sizeBytes();

    /**
     * Reads the feature.
     *
     * @param data at least {@link #sizeBytes}: what the user asks, for a feature that is asked something; overwritten from its
     *     beginning
     * @return how many bytes were written
     */
    int get(MemorySegment data);

    /** Takes {@code data} as its new data. */
    void set(MemorySegment data);

    /**
     * Takes {@code data} as its new data, with a descriptor that goes with it. Where the kernel's structure has the descriptor's
     * number, {@code data} says nothing: a number from another process would be another file here.
     *
     * @param descriptor the feature's to close, whether it succeeds or not
     * @throws ErrnoException EINVAL for a feature that takes none, or not this one
     */
    default void set(MemorySegment data, Fd descriptor) {
        descriptor.close();
        throw new ErrnoException(EINVAL, "set a device feature that takes no descriptor, with one");
    }
}
