package org.vfio4j.vfiolinux;

import java.util.List;
import java.util.OptionalInt;
import org.vfio4j.bus.PciAddress;

/**
 * A PCI function of this machine, as /sys had it at one moment.
 *
 * @param pciClass base class, sub-class and programming interface, as 0x010802
 * @param bridge whether it is a bridge, to another bus or of the machine itself: what is behind it would be lost with it
 * @param driver empty when it has none
 * @param iommuGroup empty without an IOMMU that translates its DMA
 * @param groupMembers the other functions of its group, which only go with it
 * @param driverOverride the one driver that is to match it, empty for none
 * @param vfioDevice its name among VFIO's devices, as {@code vfio0}; empty when it is none, or the kernel does not tell, before 6.1
 * @param resettable whether the kernel knows a way to reset it alone
 */
public record HostFunction(
        PciAddress address,
        int vendor,
        int device,
        int subsystemVendor,
        int subsystemDevice,
        int pciClass,
        boolean bridge,
        String driver,
        OptionalInt iommuGroup,
        List<PciAddress> groupMembers,
        String driverOverride,
        String vfioDevice,
        boolean resettable) {

    /** The kernel's driver that gives functions to users. */
    public static final String VFIO_PCI = "vfio-pci";

    public HostFunction {
        groupMembers = List.copyOf(groupMembers);
    }

    /** Whether its driver gives it to users of VFIO: {@link #VFIO_PCI}, or one made for such functions. */
    public boolean hasVfioDriver() {
        return !vfioDevice.isEmpty() || isVfioDriver(driver);
    }

    /** Of vendors' drivers the names have that in them, as mlx5_vfio_pci and hisi_acc_vfio_pci. */
    private static boolean isVfioDriver(String name) {
        return name.equals(VFIO_PCI) || name.contains("vfio_pci") || name.contains("vfio-pci");
    }
}
