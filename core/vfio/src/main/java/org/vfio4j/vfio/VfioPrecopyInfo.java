package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
import static org.vfio4j.uapi.Vfio.VFIO_PRECOPY_INFO_REINIT;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio.PrecopyInfo;

/**
 * {@code struct vfio_precopy_info} (linux/vfio.h): what PRE_COPY has left to read.
 *
 * @param reinit whether the device began anew, with initial bytes once more ({@code VFIO_PRECOPY_INFO_REINIT})
 * @param initialBytes bytes that are best read before STOP_COPY
 * @param dirtyBytes bytes that have changed since they were read
 */
public record VfioPrecopyInfo(boolean reinit, long initialBytes, long dirtyBytes) {

    /**
     * What a device says now; {@link #reinit} only after a SET of {@code VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2}.
     *
     * @throws ErrnoException EINVAL in other states than PRE_COPY and PRE_COPY_P2P, of a device without them, and of a
     *     vfio-user server that is not vfio4j's; ENOTTY for a device that cannot migrate
     */
    public static VfioPrecopyInfo of(VfioDeviceFile file) {
        MemorySegment data = MemorySegment.ofArray(new byte[PrecopyInfo.SIZEOF]);
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, data);
        return new VfioPrecopyInfo(
                (data.get(JAVA_INT_UNALIGNED, PrecopyInfo.FLAGS) & VFIO_PRECOPY_INFO_REINIT) != 0,
                data.get(JAVA_LONG_UNALIGNED, PrecopyInfo.INITIAL_BYTES),
                data.get(JAVA_LONG_UNALIGNED, PrecopyInfo.DIRTY_BYTES));
    }
}
