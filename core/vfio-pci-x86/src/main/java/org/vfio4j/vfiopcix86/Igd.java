package org.vfio4j.vfiopcix86;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_DEVICE;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_INTEL_IGD_HOST_CFG;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_INTEL_IGD_LPC_CFG;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_INTEL_IGD_OPREGION;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_TYPE_PCI_VENDOR_TYPE;

import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;

/**
 * The regions that drivers of Intel's integrated graphics look into beyond their own function: the firmware's OpRegion, and the
 * configuration spaces of host bridge and LPC bridge. All are read-only. Stateless.
 */
final class Igd {

    private static final int VENDOR_TYPE = VFIO_REGION_TYPE_PCI_VENDOR_TYPE | X86Extension.INTEL;
    private static final PciAddress HOST_BRIDGE = new PciAddress(0, 0, 0, 0);
    private static final PciAddress LPC_BRIDGE = new PciAddress(0, 0, 0x1f, 0);
    private static final int PCI_CLASS_BRIDGE_HOST = 0x0600;
    private static final int PCI_CLASS_BRIDGE_ISA = 0x0601;

    private Igd() {}

    /**
     * Adds what is there. Without an OpRegion the firmware has no use for the function, so nothing is added.
     *
     * @throws ErrnoException EINVAL for an OpRegion that is none, or bridges that are not Intel's, ENOMEM for tables in no memory
     */
    static void attach(VfioPciCore core, PciDevice device, IgdMemory memory) {
        int base = device.function().configRead(OpRegion.BASE_REGISTER, Integer.BYTES);
        if (base == 0 || base == -1) {
            return;
        }
        OpRegion opRegion = OpRegion.at(Integer.toUnsignedLong(base), memory);
        add(core, VFIO_REGION_SUBTYPE_INTEL_IGD_OPREGION, opRegion, opRegion.sizeBytes());
        core.virtualizeConfig(OpRegion.BASE_REGISTER);
        bridge(device, HOST_BRIDGE, PCI_CLASS_BRIDGE_HOST)
                .ifPresent(function -> add(
                        core,
                        VFIO_REGION_SUBTYPE_INTEL_IGD_HOST_CFG,
                        new ConfigRegion(function),
                        function.configSize()));
        bridge(device, LPC_BRIDGE, PCI_CLASS_BRIDGE_ISA)
                .ifPresent(function -> add(
                        core,
                        VFIO_REGION_SUBTYPE_INTEL_IGD_LPC_CFG,
                        new ConfigRegion(function),
                        function.configSize()));
    }

    private static void add(VfioPciCore core, int subtype, VfioPciRegionOps ops, long sizeBytes) {
        core.registerDevRegion(VENDOR_TYPE, subtype, ops, sizeBytes, VFIO_REGION_INFO_FLAG_READ);
    }

    private static Optional<PciFunction> bridge(PciDevice device, PciAddress address, int classCode) {
        Optional<PciFunction> found = device.bus().devices().stream()
                .filter(candidate -> candidate.address().equals(address))
                .findFirst()
                .map(PciDevice::function);
        found.ifPresent(function -> {
            int vendor = function.configRead(PCI_VENDOR_ID, 2);
            int itsClass = function.configRead(PCI_CLASS_DEVICE, 2);
            if (vendor != X86Extension.INTEL || itsClass != classCode) {
                throw new ErrnoException(
                        EINVAL,
                        String.format(
                                "%s: the bridge at %s is of vendor %04x and class %04x, 8086 and %04x are needed",
                                device, address, vendor, itsClass, classCode));
            }
        });
        return found;
    }
}
