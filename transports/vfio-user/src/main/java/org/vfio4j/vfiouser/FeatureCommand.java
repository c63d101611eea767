package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * DEVICE_FEATURE: hands the data on; the device file judges the flags. The reply to a SET or PROBE repeats the request, with
 * what the feature has changed in its data. A descriptor that a feature takes travels as ancillary data.
 */
final class FeatureCommand {

    // More than any feature is asked.
    private static final int QUESTION_SIZE = 256;

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
        int given = (int) Math.min(stated, request.payloadSize() - DeviceFeature.SIZEOF);
        if ((flags & VFIO_DEVICE_FEATURE_GET) != 0 && (flags & VFIO_DEVICE_FEATURE_PROBE) == 0) {
            int data = file.feature(flags, question(request, given, reply, (int) stated));
            reply.putInt(DeviceFeature.ARGSZ, DeviceFeature.SIZEOF + data);
            reply.putInt(DeviceFeature.FLAGS, flags);
            reply.setPayloadSize(DeviceFeature.SIZEOF + data);
        } else {
            MemorySegment data = request.buffer().asSlice(request.payloadAt() + DeviceFeature.DATA, given);
            if (request.fdCount() == 0) {
                file.feature(flags, data);
            } else {
                file.feature(flags, data, request.takeFd(0));
            }
            reply.repeat(request, request.payloadSize());
            reply.setPayloadSize(request.payloadSize());
        }
    }

    /** Room for the answer to a GET, which begins with what the request says; zeroes where it says nothing. */
    private static MemorySegment question(Message request, int given, OutMessage reply, int room) {
        MemorySegment data = reply.buffer().asSlice(Header.SIZEOF + DeviceFeature.DATA, room);
        MemorySegment.copy(request.buffer(), request.payloadAt() + DeviceFeature.DATA, data, 0, given);
        if (given < QUESTION_SIZE) {
            data.asSlice(given, Math.min(room, QUESTION_SIZE) - given).fill((byte) 0);
        }
        return data;
    }
}
