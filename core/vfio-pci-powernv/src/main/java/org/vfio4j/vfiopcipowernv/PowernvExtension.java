package org.vfio4j.vfiopcipowernv;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_TYPE_PCI_VENDOR_TYPE;

import java.util.List;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciExtension;

/**
 * What a POWER9 machine has for GPUs on NVLink2: the memory of a GPU, which is cacheable memory of the machine's, and for each bridge
 * of a link the register that shoots translations down (ATSD). Configuration space says nothing of either; the platform does.
 */
public final class PowernvExtension implements VfioPciExtension {

    private static final int NVIDIA = 0x10de;
    private static final int IBM = 0x1014;
    private static final int ALL =
            VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;

    @Override
    public String name() {
        return "powernv";
    }

    @Override
    public void attach(VfioPciCore core, PciDevice device) {
        PciFunction function = device.function();
        switch (function.configRead(PCI_VENDOR_ID, 2)) {
            case NVIDIA -> function.platform(NvLink2Gpu.class).ifPresent(gpu -> gpuRam(core, gpu));
            case IBM -> function.platform(NvLink2Bridge.class).ifPresent(bridge -> atsd(core, device, bridge));
            default -> {}
        }
    }

    private static void gpuRam(VfioPciCore core, NvLink2Gpu gpu) {
        core.registerDevRegion(
                VFIO_REGION_TYPE_PCI_VENDOR_TYPE | NVIDIA,
                VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM,
                new MemoryRegion(gpu.ram(), List.of(NvLink2Capabilities.ssaTgt(gpu.tgt()))),
                gpu.ram().sizeBytes(),
                ALL);
    }

    /** A bridge that no register was left for has the region all the same, empty: its capabilities are of use. */
    private static void atsd(VfioPciCore core, PciDevice device, NvLink2Bridge bridge) {
        long size = bridge.atsd().map(NvLink2Memory::sizeBytes).orElse(0L);
        if (size != 0 && size != Mapping.PAGE_BYTES) {
            throw new ErrnoException(
                    EINVAL,
                    device + ": an ATSD register in " + size + " bytes, a page of " + Mapping.PAGE_BYTES
                            + " is needed");
        }
        core.registerDevRegion(
                VFIO_REGION_TYPE_PCI_VENDOR_TYPE | IBM,
                VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD,
                new MemoryRegion(
                        bridge.atsd().orElse(NvLink2Memory.NONE),
                        List.of(
                                NvLink2Capabilities.ssaTgt(bridge.tgt()),
                                NvLink2Capabilities.linkSpeed(bridge.linkSpeed()))),
                size,
                ALL);
    }
}
