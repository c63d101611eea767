package org.vfio4j.sysfsfuse;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.PciAttributes;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.sys.ErrnoException;

/**
 * The directory of a function, with those of what sits behind it and of its parts, and the directory of an auxiliary device.
 *
 * @param mdev what there is of mdevs of functions
 * @param actions what writes do
 */
record PciDirectory(PciBus bus, MdevDirectory mdev, SysfsActions actions) {

    FuseNode of(PciDevice device) {
        TreePath here = TreePath.of(device);
        return new Entries()
                .with(() -> PciAttributes.names(device), name -> attribute(device, name))
                .with("config", () -> new ConfigSpace(device))
                .with("uevent", () -> Attribute.readable(() -> uevent(device)))
                .with("reset", () -> Attribute.writable(text -> reset(device, text)))
                .link(here, "subsystem", TreePath.of("bus/pci"))
                .with(() -> linkNames(device), name -> link(device, here, name))
                .with(() -> childNames(device), name -> child(device, name))
                .with(mdev.of(here));
    }

    private Optional<FuseNode> attribute(PciDevice device, String name) {
        if (!PciAttributes.names(device).contains(name)) {
            return Optional.empty();
        }
        // What it says may be gone with the device by the time that it is read.
        Attribute readable =
                Attribute.readable(() -> PciAttributes.find(device, name).orElseThrow());
        return Optional.of(
                switch (name) {
                    case "driver_override" ->
                        Attribute.of(readable.show().orElseThrow(), text -> setOverride(device, text));
                    case "sriov_numvfs" ->
                        Attribute.of(
                                readable.show().orElseThrow(),
                                text -> actions.setNumVfs(device, Numbers.parse(text, 0xffff)));
                    default -> readable;
                });
    }

    // As the kernel: up to the first line's end, and nothing lifts it.
    private void setOverride(PciDevice device, String text) {
        String name = text.lines().findFirst().orElse("");
        bus.setDriverOverride(device, name.isEmpty() ? Optional.empty() : Optional.of(name));
    }

    private static void reset(PciDevice device, String text) {
        if (Numbers.parse(text, Integer.MAX_VALUE) != 1) {
            throw new ErrnoException(EINVAL, "reset " + device + ": 1 is needed, not '" + text + "'");
        }
        if (device.driver().isPresent()) {
            throw new ErrnoException(
                    EBUSY,
                    "reset " + device + ", which " + device.driver().get().name() + " has");
        }
        device.function().reset();
    }

    private static String uevent(PciDevice device) {
        List<String> lines = new ArrayList<>();
        device.driver().ifPresent(driver -> lines.add("DRIVER=" + driver.name()));
        lines.add("PCI_CLASS=" + hex(device, "class").replaceFirst("^0(?=.)", ""));
        lines.add("PCI_ID=" + hex(device, "vendor") + ":" + hex(device, "device"));
        lines.add("PCI_SUBSYS_ID=" + hex(device, "subsystem_vendor") + ":" + hex(device, "subsystem_device"));
        lines.add("PCI_SLOT_NAME=" + device.name());
        lines.add("MODALIAS=" + device.modalias());
        return String.join("\n", lines);
    }

    private static String hex(PciDevice device, String name) {
        return PciAttributes.find(device, name).orElseThrow().substring(2).toUpperCase(Locale.ROOT);
    }

    private static List<String> linkNames(PciDevice device) {
        List<String> names = new ArrayList<>();
        device.driver().ifPresent(driver -> names.add("driver"));
        device.physicalFunction().ifPresent(physical -> names.add("physfn"));
        int count = virtualFunctions(device).size();
        for (int i = 0; i < count; i++) {
            names.add("virtfn" + i);
        }
        return names;
    }

    private static Optional<FuseNode> link(PciDevice device, TreePath here, String name) {
        if (name.equals("driver")) {
            return device.driver()
                    .map(PciDriver::name)
                    .map(driver -> here.linkTo(TreePath.of("bus/pci/drivers").in(driver)));
        }
        if (name.equals("physfn")) {
            return device.physicalFunction().map(physical -> here.linkTo(TreePath.of(physical)));
        }
        List<PciDevice> virtual = virtualFunctions(device);
        for (int i = 0; i < virtual.size(); i++) {
            if (name.equals("virtfn" + i)) {
                return Optional.of(here.linkTo(TreePath.of(virtual.get(i))));
            }
        }
        return Optional.empty();
    }

    private static List<PciDevice> virtualFunctions(PciDevice device) {
        return device.sriov().map(sriov -> sriov.virtualFunctions()).orElse(List.of());
    }

    private List<String> childNames(BusDevice parent) {
        List<String> names = new ArrayList<>();
        if (parent instanceof PciDevice function && function.bridge().isPresent()) {
            bus.devices().stream()
                    .filter(device -> isIn(device, parent))
                    .map(PciDevice::name)
                    .forEach(names::add);
        }
        bus.auxiliary().children(parent).stream().map(AuxiliaryDevice::name).forEach(names::add);
        return names;
    }

    private Optional<FuseNode> child(BusDevice parent, String name) {
        return Lookup.pci(bus, name)
                .filter(device -> isIn(device, parent))
                .map(this::of)
                .or(() -> Lookup.auxiliary(bus, name)
                        .filter(device -> isIn(device, parent))
                        .map(this::of));
    }

    private static boolean isIn(BusDevice device, BusDevice parent) {
        return device.parent().filter(parent::equals).isPresent();
    }

    private FuseNode of(AuxiliaryDevice device) {
        TreePath here = TreePath.of(device);
        return new Entries()
                .with(
                        "uevent",
                        () -> Attribute.readable(() -> device.driver()
                                        .map(driver -> "DRIVER=" + driver.name() + "\n")
                                        .orElse("")
                                + "MODALIAS=" + device.modalias()))
                .link(here, "subsystem", TreePath.of("bus/auxiliary"))
                .with(
                        () -> device.driver().map(driver -> List.of("driver")).orElse(List.of()),
                        name -> device.driver()
                                .filter(driver -> name.equals("driver"))
                                .map(AuxiliaryDriver::name)
                                .map(driver -> here.linkTo(
                                        TreePath.of("bus/auxiliary/drivers").in(driver))))
                .with(() -> childNames(device), name -> child(device, name));
    }
}
