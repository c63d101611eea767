package org.vfio4j.sysfsfuse;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.fuse.FuseNode;

/** The directory {@code devices}: root buses with what sits on them, and parents of mdevs that are on no bus. */
record DeviceTree(PciBus bus, PciDirectory pci, MdevDirectory mdev) {

    private static final TreePath HERE = TreePath.of("devices");

    FuseNode root() {
        return new Entries().with(this::rootBuses, this::rootBus).with(mdev.below(HERE));
    }

    private Stream<PciDevice> roots() {
        return bus.devices().stream().filter(device -> device.upstream().isEmpty());
    }

    private static String rootOf(PciDevice device) {
        return String.valueOf(TreePath.of(device).path().getName(1));
    }

    private List<String> rootBuses() {
        return roots().map(DeviceTree::rootOf).distinct().toList();
    }

    private Optional<FuseNode> rootBus(String name) {
        if (roots().noneMatch(device -> rootOf(device).equals(name))) {
            return Optional.empty();
        }
        return Optional.of(new Entries()
                .with(
                        () -> roots().filter(device -> rootOf(device).equals(name))
                                .map(PciDevice::name)
                                .toList(),
                        each -> Lookup.pci(bus, each)
                                .filter(device -> device.upstream().isEmpty())
                                .filter(device -> rootOf(device).equals(name))
                                .map(pci::of)));
    }
}
