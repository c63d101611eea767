package org.vfio4j.it;

import static org.vfio4j.it.HostChecks.expectEqual;
import static org.vfio4j.it.HostChecks.expectRefused;
import static org.vfio4j.uapi.Vfio.*;

import java.util.UUID;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.uapi.PciRegs;
import org.vfio4j.vfiolinux.LinuxVfioDevice;

/** Virtual functions of a card that {@code vfio-pci} has: who has the one shows a token to whoever opens the others. */
final class IgbVfChecks {

    static final UUID TOKEN = UUID.fromString("7c1f2a56-5d0e-4c1b-9b6f-0a4d7e31c2b8");

    /** Vendor and device, which only the kernel knows: the function's own registers for them read as ones. */
    private static final int IGBVF = 0x10ca_8086;

    private static final int VECTORS = 3;

    private IgbVfChecks() {}

    static void run(PciAddress address, String name) {
        switch (name) {
            case "set-token" -> LinuxVfioDevice.open(address, TOKEN).close();
            case "open" -> open(address);
            default -> throw new IllegalArgumentException(name);
        }
    }

    private static void open(PciAddress address) {
        expectRefused(
                Errno.EACCES,
                address + ": vfio-pci has",
                () -> LinuxVfioDevice.open(address).close());
        expectRefused(
                Errno.EACCES,
                "not the VF token",
                () -> LinuxVfioDevice.open(address, new UUID(1, 2)).close());
        try (LinuxVfioDevice file = LinuxVfioDevice.open(address, TOKEN)) {
            int config = VFIO_PCI_CONFIG_REGION_INDEX;
            expectEqual("vendor and device", IGBVF, IgbChecks.read(file, config, PciRegs.PCI_VENDOR_ID));
            try (HostInterrupts all = HostInterrupts.set(file, VFIO_PCI_MSIX_IRQ_INDEX, VECTORS)) {
                all.with(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, VECTORS - 1, 1);
                all.expectOne(VECTORS - 1);
            }
        }
    }
}
