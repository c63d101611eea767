package org.vfio4j.it;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.it.HostChecks.expect;
import static org.vfio4j.it.HostChecks.expectEqual;
import static org.vfio4j.it.HostChecks.expectRefused;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.PciRegs;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfiolinux.LinuxVfioDevice;

/** Configuration space and MSI-X of QEMU's igb, a network card with SR-IOV. */
final class IgbChecks {

    /** Vendor and device of Intel's 82576. */
    private static final int IGB = 0x10c9_8086;

    /** Flow Control Transmit Timer Value: read and write, and 0 after a reset. */
    private static final int FCTTV = 0x170;

    private static final int VECTORS = 10;
    private static final int TRIGGER = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int TRIGGER_SOME = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int SET = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

    private IgbChecks() {}

    static void run(PciAddress address, String name) {
        try (LinuxVfioDevice file = LinuxVfioDevice.open(address)) {
            switch (name) {
                case "config" -> config(file);
                case "vectors" -> vectors(file);
                case "reset" -> reset(file);
                default -> throw new IllegalArgumentException(name);
            }
        }
    }

    /** A BAR is sized as by a guest, and is the kernel's affair all the while. */
    private static void config(LinuxVfioDevice file) {
        int region = VFIO_PCI_CONFIG_REGION_INDEX;
        expectEqual("vendor and device", IGB, read(file, region, PciRegs.PCI_VENDOR_ID));
        int bar = read(file, region, PciRegs.PCI_BASE_ADDRESS_0);
        write(file, region, PciRegs.PCI_BASE_ADDRESS_0, -1);
        int size = -(read(file, region, PciRegs.PCI_BASE_ADDRESS_0) & ~0xf);
        expectEqual(
                "size of BAR 0",
                (int) file.regionInfo(VFIO_PCI_BAR0_REGION_INDEX).sizeBytes(),
                size);
        write(file, region, PciRegs.PCI_BASE_ADDRESS_0, bar);
        expectEqual("BAR 0", bar, read(file, region, PciRegs.PCI_BASE_ADDRESS_0));
        expect("extended space", file.regionInfo(region).sizeBytes() == 4096);
    }

    private static void reset(LinuxVfioDevice file) {
        int region = VFIO_PCI_BAR0_REGION_INDEX;
        write(file, region, FCTTV, 0x1234);
        expectEqual("FCTTV", 0x1234, read(file, region, FCTTV));
        file.reset();
        expectEqual("FCTTV after a reset", 0, read(file, region, FCTTV));
    }

    private static void vectors(LinuxVfioDevice file) {
        expectEqual(
                "vectors of MSI-X",
                VECTORS,
                file.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count());
        try (HostInterrupts three = HostInterrupts.set(file, VFIO_PCI_MSIX_IRQ_INDEX, 3)) {
            three.with(TRIGGER, 1, 1);
            three.expectOne(1);
            three.expectNone(0);
            file.setIrqs(VfioIrqSet.bools(TRIGGER_SOME, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, List.of(true, false, true)));
            three.expectOne(0);
            three.expectOne(2);
            three.expectNone(1);
            file.setIrqs(VfioIrqSet.eventFds(SET, VFIO_PCI_MSIX_IRQ_INDEX, 2, 1, List.of(Fd.none())));
            three.with(TRIGGER, 0, 3);
            three.expectOne(0);
            three.expectOne(1);
            three.expectNone(2);
        }
        try (HostInterrupts all = HostInterrupts.set(file, VFIO_PCI_MSIX_IRQ_INDEX, VECTORS)) {
            all.with(TRIGGER, VECTORS - 1, 1);
            all.expectOne(VECTORS - 1);
        }
        int index = VFIO_PCI_MSIX_IRQ_INDEX;
        expectRefused(Errno.EINVAL, "has 10 vectors", () -> file.setIrqs(VfioIrqSet.none(TRIGGER, index, VECTORS, 1)));
        // No vector is set any more.
        expectRefused(Errno.EINVAL, "VFIO_DEVICE_SET_IRQS", () -> file.setIrqs(VfioIrqSet.none(TRIGGER, index, 0, 1)));
    }

    static int read(LinuxVfioDevice file, int region, int register) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(JAVA_INT);
            file.read(region, register, value, 0, Integer.BYTES);
            return value.get(JAVA_INT, 0);
        }
    }

    private static void write(LinuxVfioDevice file, int region, int register, int value) {
        try (Arena arena = Arena.ofConfined()) {
            file.write(region, register, arena.allocateFrom(JAVA_INT, value), 0, Integer.BYTES);
        }
    }
}
