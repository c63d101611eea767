package org.vfio4j.cli;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.uapi.PciRegs;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * What a serving process tells others about itself, in a file.
 *
 * @param pid the process
 * @param sysfs its directory for {@code lspci -O sysfs.path=}
 * @param functions what it has on its bus
 */
record ServerState(long pid, String sysfs, List<Function> functions) {

    /**
     * A function on a serving process's bus.
     *
     * @param address as {@code 0000:00:01.0}
     * @param id vendor and device, as {@code 1af4:1042}
     * @param kind what it is, as {@code virtio-blk}
     * @param description its storage, for people
     * @param driver the driver that has it
     * @param vfioDevice as {@code vfio0}
     * @param socket where it is served, empty for an inherited descriptor
     * @param regions those that exist
     * @param irqs those that exist
     */
    record Function(
            String address,
            String id,
            String kind,
            String description,
            String driver,
            String vfioDevice,
            String socket,
            List<Region> regions,
            List<Irq> irqs) {}

    record Region(int index, String name, long sizeBytes, int flags) {}

    record Irq(int index, String name, int count, int flags) {}

    private static final List<String> REGIONS =
            List.of("BAR0", "BAR1", "BAR2", "BAR3", "BAR4", "BAR5", "ROM", "config", "VGA");
    private static final List<String> IRQS = List.of("INTx", "MSI", "MSI-X", "ERR", "REQ");

    static Function function(Machine.Disk disk, LocalDeviceFile file, String socket) {
        PciFunction function = disk.device().function();
        String id = String.format(
                "%04x:%04x",
                function.configRead(PciRegs.PCI_VENDOR_ID, 2), function.configRead(PciRegs.PCI_DEVICE_ID, 2));
        return new Function(
                disk.device().toString(),
                id,
                "virtio-blk",
                disk.describe(),
                disk.vfio().driverName(),
                disk.vfio().name(),
                socket,
                regions(file),
                irqs(file));
    }

    private static List<Region> regions(LocalDeviceFile file) {
        List<Region> regions = new ArrayList<>();
        for (int i = 0; i < file.info().numRegions(); i++) {
            VfioRegionInfo info = file.regionInfo(i);
            if (info.sizeBytes() != 0) {
                regions.add(new Region(
                        i, i < REGIONS.size() ? REGIONS.get(i) : "region" + i, info.sizeBytes(), info.flags()));
            }
        }
        return regions;
    }

    private static List<Irq> irqs(LocalDeviceFile file) {
        List<Irq> irqs = new ArrayList<>();
        for (int i = 0; i < file.info().numIrqs(); i++) {
            VfioIrqInfo info = file.irqInfo(i);
            if (info.count() != 0) {
                irqs.add(new Irq(i, i < IRQS.size() ? IRQS.get(i) : "irq" + i, info.count(), info.flags()));
            }
        }
        return irqs;
    }
}
