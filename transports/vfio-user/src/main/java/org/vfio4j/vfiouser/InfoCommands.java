package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_FLAG_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;

import java.util.List;
import java.util.Optional;
import org.vfio4j.uapi.VfioUser.DeviceInfo;
import org.vfio4j.uapi.VfioUser.DeviceInfoCaps;
import org.vfio4j.uapi.VfioUser.IrqInfo;
import org.vfio4j.uapi.VfioUser.IrqInfoCaps;
import org.vfio4j.uapi.VfioUser.RegionInfo;
import org.vfio4j.vfio.VfioCapabilityChain;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * What a client asks to learn about the device: DEVICE_GET_INFO, DEVICE_GET_REGION_INFO and DEVICE_GET_IRQ_INFO.
 *
 * <p>In a reply argsz is the size of the whole payload. Capabilities that do not fit into the request's argsz are left out, with
 * the flag that announces them: a client sees the larger argsz and asks again. See docs/adr/0011.
 */
final class InfoCommands {

    private final VfioDeviceFile file;
    private final VersionNegotiation version;

    /** @param version knows whether the client takes descriptors */
    InfoCommands(VfioDeviceFile file, VersionNegotiation version) {
        this.file = file;
        this.version = version;
    }

    void deviceInfo(Message request, OutMessage reply) {
        request.requireArgsz(DeviceInfo.SIZEOF);
        VfioDeviceInfo info = file.info();
        reply.putInt(DeviceInfo.FLAGS, info.flags());
        reply.putInt(DeviceInfo.NUM_REGIONS, info.numRegions());
        reply.putInt(DeviceInfo.NUM_IRQS, info.numIrqs());
        reply.setPayloadSize(DeviceInfo.SIZEOF);
        if (putCapabilities(request, reply, info.capabilities(), DeviceInfoCaps.SIZEOF)) {
            reply.putInt(DeviceInfo.FLAGS, info.flags() | VFIO_DEVICE_FLAGS_CAPS);
            // With the padding behind it.
            reply.putLong(DeviceInfoCaps.CAP_OFFSET, DeviceInfoCaps.SIZEOF);
        }
    }

    void regionInfo(Message request, OutMessage reply) {
        request.requireArgsz(RegionInfo.SIZEOF);
        VfioRegionInfo info = file.regionInfo(request.u32(RegionInfo.INDEX));
        Optional<VfioRegionMemory> memory = memory(info);
        int flags = memory.isPresent() ? info.flags() : info.flags() & ~VFIO_REGION_INFO_FLAG_MMAP;
        reply.putInt(RegionInfo.FLAGS, flags);
        reply.putInt(RegionInfo.INDEX, info.index());
        reply.putInt(RegionInfo.CAP_OFFSET, 0);
        reply.putLong(RegionInfo.SIZE, info.sizeBytes());
        reply.putLong(RegionInfo.OFFSET, memory.map(VfioRegionMemory::offset).orElse(0L));
        reply.setPayloadSize(RegionInfo.SIZEOF);
        boolean fits = putCapabilities(request, reply, info.capabilities(), RegionInfo.SIZEOF);
        if (fits) {
            reply.putInt(RegionInfo.FLAGS, flags | VFIO_REGION_INFO_FLAG_CAPS);
            reply.putInt(RegionInfo.CAP_OFFSET, RegionInfo.SIZEOF);
        }
        // A client that has to ask again gets the descriptor with the answer that it can use.
        if (fits || info.capabilities().isEmpty()) {
            memory.ifPresent(found -> reply.addFd(found.fd()));
        }
    }

    void irqInfo(Message request, OutMessage reply) {
        request.requireArgsz(IrqInfo.SIZEOF);
        VfioIrqInfo info = file.irqInfo(request.u32(IrqInfo.INDEX));
        reply.putInt(IrqInfo.FLAGS, info.flags());
        reply.putInt(IrqInfo.INDEX, info.index());
        reply.putInt(IrqInfo.COUNT, info.count());
        reply.setPayloadSize(IrqInfo.SIZEOF);
        if (putCapabilities(request, reply, info.capabilities(), IrqInfoCaps.SIZEOF)) {
            reply.putInt(IrqInfo.FLAGS, info.flags() | VFIO_IRQ_INFO_FLAG_CAPS);
            // With the padding behind it.
            reply.putLong(IrqInfoCaps.CAP_OFFSET, IrqInfoCaps.SIZEOF);
        }
    }

    /** The memory that a client may map: of a region that says so, for a client that takes descriptors. */
    private Optional<VfioRegionMemory> memory(VfioRegionInfo info) {
        boolean mappable = (info.flags() & VFIO_REGION_INFO_FLAG_MMAP) != 0;
        return mappable && version.peer().maxMsgFds() > 0 ? file.regionMemory(info.index()) : Optional.empty();
    }

    /**
     * Fills argsz in, and adds the capabilities if there are any and the request has room for them: whether it did.
     *
     * @param from where they begin, counted from the structure
     */
    private static boolean putCapabilities(
            Message request, OutMessage reply, List<VfioInfoCapability> capabilities, int from) {
        if (capabilities.isEmpty()) {
            reply.putInt(0, reply.payloadSize());
            return false;
        }
        int needed = from + VfioCapabilityChain.sizeBytes(capabilities);
        reply.putInt(0, needed);
        if (Integer.compareUnsigned(request.u32(0), needed) < 0) {
            return false;
        }
        VfioCapabilityChain.put(capabilities, reply.payload(), from);
        reply.setPayloadSize(needed);
        return true;
    }
}
