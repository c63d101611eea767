package org.vfio4j.sysfsfuse;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevParent;

/**
 * What /sys has of a machine's buses: {@code bus}, {@code class}, {@code devices} and {@code module}, with the files by which drivers
 * are bound and mdevs made. It has no state: each access looks at the buses. Any thread uses it.
 */
public final class SysfsTree {

    private final PciBus bus;
    private final MdevBus mdevs;
    private final PciDirectory pci;
    private final MdevDirectory mdev;
    private final DriverDirectories drivers;

    /** @param actions what writes do */
    public SysfsTree(PciBus bus, MdevBus mdevs, SysfsActions actions) {
        this.bus = bus;
        this.mdevs = mdevs;
        mdev = new MdevDirectory(mdevs, actions);
        pci = new PciDirectory(bus, mdev, actions);
        drivers = new DriverDirectories(bus, mdevs, actions);
    }

    /** What stands for /sys. */
    public FuseNode.Directory root() {
        return new Entries()
                .with("bus", this::buses)
                .with("class", this::classes)
                .with("devices", () -> new DeviceTree(bus, pci, mdev).root())
                .with("module", this::modules);
    }

    private FuseNode buses() {
        return new Entries()
                .with("auxiliary", this::auxiliaryBus)
                .with("mdev", this::mdevBus)
                .with("pci", this::pciBus);
    }

    private FuseNode pciBus() {
        TreePath devices = TreePath.of("bus/pci/devices");
        return new Entries()
                .with(
                        "devices",
                        () -> new Entries()
                                .with(
                                        () -> bus.devices().stream()
                                                .map(device -> device.name())
                                                .toList(),
                                        name -> Lookup.pci(bus, name)
                                                .map(device -> devices.linkTo(TreePath.of(device)))))
                .with("drivers", drivers::pci)
                .with("drivers_probe", drivers::pciProbe);
    }

    private FuseNode auxiliaryBus() {
        TreePath devices = TreePath.of("bus/auxiliary/devices");
        return new Entries()
                .with(
                        "devices",
                        () -> new Entries()
                                .with(
                                        () -> bus.auxiliary().devices().stream()
                                                .map(AuxiliaryDevice::name)
                                                .toList(),
                                        name -> Lookup.auxiliary(bus, name)
                                                .map(device -> devices.linkTo(TreePath.of(device)))))
                .with("drivers", drivers::auxiliary);
    }

    private FuseNode mdevBus() {
        TreePath devices = TreePath.of("bus/mdev/devices");
        return new Entries()
                .with(
                        "devices",
                        () -> new Entries()
                                .with(
                                        () -> mdevs.devices().stream()
                                                .map(device -> device.uuid().toString())
                                                .toList(),
                                        name -> Lookup.mdev(mdevs, name)
                                                .map(device -> devices.linkTo(MdevDirectory.path(device)))))
                .with("drivers", drivers::mdev);
    }

    private FuseNode classes() {
        TreePath parents = TreePath.of("class/mdev_bus");
        return new Entries()
                .with(
                        "mdev_bus",
                        () -> new Entries()
                                .with(
                                        () -> mdevs.parents().stream()
                                                .map(MdevParent::name)
                                                .toList(),
                                        name -> mdevs.findParent(name)
                                                .map(parent -> parents.linkTo(MdevDirectory.path(parent)))));
    }

    // Under the driver's own name, by which tools ask whether it is there.
    private FuseNode modules() {
        return new Entries()
                .with(
                        this::moduleNames,
                        name -> moduleNames().contains(name) ? Optional.of(new Entries()) : Optional.empty());
    }

    private List<String> moduleNames() {
        return Stream.concat(
                        bus.drivers().stream().map(PciDriver::name),
                        bus.auxiliary().drivers().stream().map(AuxiliaryDriver::name))
                .distinct()
                .toList();
    }
}
