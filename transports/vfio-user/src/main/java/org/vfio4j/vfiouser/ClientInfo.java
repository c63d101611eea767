package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_FLAG_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_INFO;

import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.DeviceInfo;
import org.vfio4j.uapi.VfioUser.DeviceInfoCaps;
import org.vfio4j.uapi.VfioUser.IrqInfo;
import org.vfio4j.uapi.VfioUser.IrqInfoCaps;
import org.vfio4j.uapi.VfioUser.RegionInfo;
import org.vfio4j.vfio.VfioCapabilityChain;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * The client's questions about the device: DEVICE_GET_INFO, DEVICE_GET_REGION_INFO and DEVICE_GET_IRQ_INFO. Replies that make no
 * sense end the connection. Belongs to the client's thread.
 */
final class ClientInfo {

    /** Room for a reply in the first question; nearly every one fits. */
    static final int FIRST_ARGSZ = 4096;

    /** The largest reply that is asked for. */
    static final int MAX_ARGSZ = 1 << 20;

    /** More regions or interrupt indices than any device has: a server that says more wants to keep its client busy. */
    private static final int MAX_INDICES = 1024;

    private final ClientChannel channel;
    private final ClientDescriptors descriptors;

    /** @param descriptors keeps the memory of regions */
    ClientInfo(ClientChannel channel, ClientDescriptors descriptors) {
        this.channel = channel;
        this.descriptors = descriptors;
    }

    VfioDeviceInfo device() {
        Message reply = ask(VFIO_USER_DEVICE_GET_INFO, 0, 0, DeviceInfo.SIZEOF);
        int flags = reply.u32(DeviceInfo.FLAGS);
        int regions = reply.u32(DeviceInfo.NUM_REGIONS);
        int irqs = reply.u32(DeviceInfo.NUM_IRQS);
        if (Integer.compareUnsigned(regions, MAX_INDICES) > 0 || Integer.compareUnsigned(irqs, MAX_INDICES) > 0) {
            throw channel.lost(
                    EPROTO,
                    "a device of " + Integer.toUnsignedLong(regions) + " regions and " + Integer.toUnsignedLong(irqs)
                            + " interrupt indices");
        }
        List<VfioInfoCapability> capabilities =
                capabilities(reply, (flags & VFIO_DEVICE_FLAGS_CAPS) != 0, DeviceInfoCaps.CAP_OFFSET);
        channel.done();
        return new VfioDeviceInfo(flags & ~VFIO_DEVICE_FLAGS_CAPS, regions, irqs, capabilities);
    }

    VfioRegionInfo region(int index) {
        Message reply = askRegion(index);
        VfioRegionInfo info = regionInfo(reply, index);
        channel.done();
        return info;
    }

    /** The memory behind a region: what the server has sent a descriptor of. */
    Optional<VfioRegionMemory> regionMemory(int index) {
        Message reply = askRegion(index);
        VfioRegionInfo info = regionInfo(reply, index);
        long offset = reply.u64(RegionInfo.OFFSET);
        Optional<VfioRegionMemory> memory = Optional.empty();
        if ((info.flags() & VFIO_REGION_INFO_FLAG_MMAP) != 0 && reply.fdCount() > 0) {
            memory = Optional.of(new VfioRegionMemory(descriptors.keepMemory(index, reply.takeFd(0)), offset));
        }
        channel.done();
        return memory;
    }

    VfioIrqInfo irq(int index) {
        Message reply = ask(VFIO_USER_DEVICE_GET_IRQ_INFO, IrqInfo.INDEX, index, IrqInfo.SIZEOF);
        int flags = reply.u32(IrqInfo.FLAGS);
        int count = reply.u32(IrqInfo.COUNT);
        if (reply.u32(IrqInfo.INDEX) != index || count < 0) {
            throw channel.lost(
                    EPROTO,
                    "interrupt index " + reply.u32(IrqInfo.INDEX) + " of " + Integer.toUnsignedLong(count)
                            + " vectors instead of index " + index);
        }
        List<VfioInfoCapability> capabilities =
                capabilities(reply, (flags & VFIO_IRQ_INFO_FLAG_CAPS) != 0, IrqInfoCaps.CAP_OFFSET);
        channel.done();
        return new VfioIrqInfo(index, flags & ~VFIO_IRQ_INFO_FLAG_CAPS, count, capabilities);
    }

    private Message askRegion(int index) {
        return ask(VFIO_USER_DEVICE_GET_REGION_INFO, RegionInfo.INDEX, index, RegionInfo.SIZEOF);
    }

    private VfioRegionInfo regionInfo(Message reply, int index) {
        int flags = reply.u32(RegionInfo.FLAGS);
        long size = reply.u64(RegionInfo.SIZE);
        if (reply.u32(RegionInfo.INDEX) != index || size < 0) {
            throw channel.lost(
                    EPROTO,
                    "region " + reply.u32(RegionInfo.INDEX) + " of " + Long.toUnsignedString(size)
                            + " bytes instead of region " + index);
        }
        List<VfioInfoCapability> capabilities =
                capabilities(reply, (flags & VFIO_REGION_INFO_FLAG_CAPS) != 0, RegionInfo.CAP_OFFSET);
        return new VfioRegionInfo(index, flags & ~VFIO_REGION_INFO_FLAG_CAPS, size, capabilities);
    }

    /**
     * Asks, and a second time with more room if the reply says that it needs some.
     *
     * @param indexAt where in the payload the index goes; 0 for nowhere
     */
    private Message ask(int command, int indexAt, int index, int size) {
        Message reply = ask(command, indexAt, index, size, FIRST_ARGSZ);
        int needed = reply.u32(0);
        if (needed > FIRST_ARGSZ && needed <= MAX_ARGSZ) {
            channel.done();
            reply = ask(command, indexAt, index, size, needed);
        }
        return reply;
    }

    private Message ask(int command, int indexAt, int index, int size, int argsz) {
        OutMessage request = channel.begin();
        request.payload().asSlice(0, size).fill((byte) 0);
        request.putInt(indexAt, index);
        request.putInt(0, argsz);
        request.setPayloadSize(size);
        return channel.call(command, size);
    }

    /** @param announced whether the flags say that there are some; else there are none, whatever follows */
    private List<VfioInfoCapability> capabilities(Message reply, boolean announced, int offsetAt) {
        if (!announced) {
            return List.of();
        }
        if (reply.payloadSize() < offsetAt + Integer.BYTES) {
            throw channel.lost(EPROTO, "capabilities in a reply of " + reply.payloadSize() + " bytes");
        }
        try {
            return VfioCapabilityChain.parse(
                    reply.buffer().asSlice(reply.payloadAt(), reply.payloadSize()), reply.u32(offsetAt));
        } catch (ErrnoException e) {
            throw channel.lost(EPROTO, "" + e.getMessage());
        }
    }
}
