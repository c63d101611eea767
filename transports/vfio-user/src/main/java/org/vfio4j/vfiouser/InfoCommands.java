package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.DeviceInfo;
import org.vfio4j.uapi.VfioUser.IrqInfo;
import org.vfio4j.uapi.VfioUser.RegionInfo;
import org.vfio4j.uapi.VfioUser.RegionIoFds;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * What a client asks to learn about the device: DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, DEVICE_GET_REGION_IO_FDS and
 * DEVICE_GET_IRQ_INFO. In a reply argsz is the size of the whole payload.
 */
final class InfoCommands {

    private static final int MAX_ARGSZ = 1 << 20;

    private final VfioDeviceFile file;

    InfoCommands(VfioDeviceFile file) {
        this.file = file;
    }

    void deviceInfo(Message request, OutMessage reply) {
        request.requireArgsz(DeviceInfo.SIZEOF);
        VfioDeviceInfo info = file.info();
        reply.putInt(DeviceInfo.ARGSZ, DeviceInfo.SIZEOF);
        reply.putInt(DeviceInfo.FLAGS, info.flags());
        reply.putInt(DeviceInfo.NUM_REGIONS, info.numRegions());
        reply.putInt(DeviceInfo.NUM_IRQS, info.numIrqs());
        reply.setPayloadSize(DeviceInfo.SIZEOF);
    }

    void regionInfo(Message request, OutMessage reply) {
        request.requireArgsz(RegionInfo.SIZEOF);
        VfioRegionInfo info = file.regionInfo(request.u32(RegionInfo.INDEX));
        reply.putInt(RegionInfo.ARGSZ, RegionInfo.SIZEOF);
        reply.putInt(RegionInfo.FLAGS, info.flags());
        reply.putInt(RegionInfo.INDEX, info.index());
        reply.putInt(RegionInfo.CAP_OFFSET, 0);
        reply.putLong(RegionInfo.SIZE, info.sizeBytes());
        reply.putLong(RegionInfo.OFFSET, 0);
        reply.setPayloadSize(RegionInfo.SIZEOF);
    }

    /** No region has descriptors to write to instead: every list is empty. */
    void regionIoFds(Message request, OutMessage reply) {
        request.requireArgsz(RegionIoFds.SIZEOF);
        int flags = request.u32(RegionIoFds.FLAGS);
        int index = request.u32(RegionIoFds.INDEX);
        int count = request.u32(RegionIoFds.COUNT);
        if (flags != 0 || count != 0 || Integer.compareUnsigned(request.u32(RegionIoFds.ARGSZ), MAX_ARGSZ) > 0) {
            throw new ErrnoException(
                    EINVAL, "GET_REGION_IO_FDS: flags and count must be 0, argsz at most " + MAX_ARGSZ);
        }
        if (file.regionInfo(index).sizeBytes() == 0) {
            throw new ErrnoException(EINVAL, "GET_REGION_IO_FDS: region " + index + " does not exist");
        }
        reply.putInt(RegionIoFds.ARGSZ, RegionIoFds.SIZEOF);
        reply.putInt(RegionIoFds.FLAGS, 0);
        reply.putInt(RegionIoFds.INDEX, index);
        reply.putInt(RegionIoFds.COUNT, 0);
        reply.setPayloadSize(RegionIoFds.SIZEOF);
    }

    void irqInfo(Message request, OutMessage reply) {
        request.requireArgsz(IrqInfo.SIZEOF);
        VfioIrqInfo info = file.irqInfo(request.u32(IrqInfo.INDEX));
        reply.putInt(IrqInfo.ARGSZ, IrqInfo.SIZEOF);
        reply.putInt(IrqInfo.FLAGS, info.flags());
        reply.putInt(IrqInfo.INDEX, info.index());
        reply.putInt(IrqInfo.COUNT, info.count());
        reply.setPayloadSize(IrqInfo.SIZEOF);
    }
}
