package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EBUSY;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.PciRegs;
import org.vfio4j.vfiolinux.HostObstacle.Kind;

/** Whether a function of the machine can be opened from here. Stateless. */
final class HostAccess {

    private static final int PCI_BASE_CLASS_BRIDGE = 6;

    /** Drivers that leave their function's DMA to others: the kernel lets them stay in a group that is a user's. */
    private static final Set<String> NO_DMA_DRIVERS = Set.of("pcieport", "pci-stub", "shpchp");

    private HostAccess() {}

    static Optional<HostObstacle> obstacle(HostPci host, HostFunction function) {
        if (function.bridge()) {
            return obstacle(Kind.BRIDGE, "it is a bridge");
        }
        if (function.iommuGroup().isEmpty()) {
            return Optional.of(noIommu());
        }
        if (!function.hasVfioDriver()) {
            return obstacle(
                    Kind.DRIVER,
                    function.driver().isEmpty() ? "it has no driver" : "its driver is " + function.driver());
        }
        List<HostFunction> inTheWay = inTheWay(host, function);
        if (!inTheWay.isEmpty()) {
            HostFunction first = inTheWay.getFirst();
            return obstacle(
                    Kind.GROUP,
                    "its group " + function.iommuGroup().getAsInt() + " is not viable: " + first.address()
                            + " has driver " + first.driver());
        }
        return files(host, function.iommuGroup().getAsInt());
    }

    static HostObstacle noIommu() {
        return new HostObstacle(Kind.NO_IOMMU, "it has no IOMMU group: the IOMMU is off, or there is none");
    }

    /** @throws ErrnoException EBUSY while a process has the function's group */
    static void checkClosed(HostPci host, HostFunction function) {
        if (function.iommuGroup().isEmpty()) {
            return;
        }
        Path group = host.vfioDirectory()
                .resolve(Integer.toString(function.iommuGroup().getAsInt()));
        if (host.kernel().hasOpen(group)) {
            throw new ErrnoException(
                    EBUSY,
                    function.address() + " is in use: its IOMMU group is open, "
                            + FileHolders.ofGroup(host.processDirectory(), group));
        }
    }

    /** As the function's class says, or its header, where that can be read. */
    static boolean isBridge(Path device, int pciClass) {
        if (pciClass >>> Short.SIZE == PCI_BASE_CLASS_BRIDGE) {
            return true;
        }
        try (InputStream config = Files.newInputStream(device.resolve("config"))) {
            byte[] header = config.readNBytes(PciRegs.PCI_HEADER_TYPE + 1);
            return header.length > PciRegs.PCI_HEADER_TYPE
                    && (header[PciRegs.PCI_HEADER_TYPE] & PciRegs.PCI_HEADER_TYPE_MASK) != 0;
        } catch (IOException e) {
            return false;
        }
    }

    /** As {@link HostPci#inTheWay}. Which drivers leave DMA to others is a list here, since /sys does not tell. */
    static List<HostFunction> inTheWay(HostPci host, HostFunction function) {
        return function.groupMembers().stream()
                .flatMap(other -> find(host, other).stream())
                .filter(other ->
                        !other.driver().isEmpty() && !other.hasVfioDriver() && !NO_DMA_DRIVERS.contains(other.driver()))
                .toList();
    }

    private static Optional<HostFunction> find(HostPci host, PciAddress other) {
        try {
            return Optional.of(host.function(other));
        } catch (ErrnoException e) {
            // It has gone.
            return Optional.empty();
        }
    }

    private static Optional<HostObstacle> files(HostPci host, int group) {
        Path container = host.vfioDirectory().resolve("vfio");
        Path device = host.vfioDirectory().resolve(Integer.toString(group));
        for (Path file : new Path[] {container, device}) {
            if (!Files.exists(file)) {
                return obstacle(Kind.NO_VFIO, "there is no " + file);
            }
            if (!Files.isReadable(file) || !Files.isWritable(file)) {
                return obstacle(Kind.PERMISSION, "this user may not open " + file);
            }
        }
        return Optional.empty();
    }

    private static Optional<HostObstacle> obstacle(Kind kind, String what) {
        return Optional.of(new HostObstacle(kind, what));
    }
}
