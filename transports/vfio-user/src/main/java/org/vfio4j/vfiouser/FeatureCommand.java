package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.vfio.VfioDeviceFile;

/** DEVICE_FEATURE: hands the data on; the device file judges the flags. The reply to a SET or PROBE repeats the request. */
final class FeatureCommand {

    private final VfioDeviceFile file;
    private final int maxDataXferSize;

    /** @param maxDataXferSize bytes of data that one message may have */
    FeatureCommand(VfioDeviceFile file, int maxDataXferSize) {
        this.file = file;
        this.maxDataXferSize = maxDataXferSize;
    }

    void feature(Message request, OutMessage reply) {
        request.requireArgsz(DeviceFeature.SIZEOF);
        int flags = request.u32(DeviceFeature.FLAGS);
        long stated = Integer.toUnsignedLong(request.u32(DeviceFeature.ARGSZ)) - DeviceFeature.SIZEOF;
        if (stated > maxDataXferSize) {
            throw new ErrnoException(
                    EINVAL, "DEVICE_FEATURE with " + stated + " bytes of data: the limit is " + maxDataXferSize);
        }
        if ((flags & VFIO_DEVICE_FEATURE_GET) != 0 && (flags & VFIO_DEVICE_FEATURE_PROBE) == 0) {
            int data = file.feature(flags, reply.buffer().asSlice(Header.SIZEOF + DeviceFeature.DATA, stated));
            reply.putInt(DeviceFeature.ARGSZ, DeviceFeature.SIZEOF + data);
            reply.putInt(DeviceFeature.FLAGS, flags);
            reply.setPayloadSize(DeviceFeature.SIZEOF + data);
        } else {
            long given = Math.min(stated, request.payloadSize() - DeviceFeature.SIZEOF);
            MemorySegment data = request.buffer().asSlice(request.payloadAt() + DeviceFeature.DATA, given);
            file.feature(flags, data);
            reply.repeat(request, request.payloadSize());
            reply.setPayloadSize(request.payloadSize());
        }
    }
}
