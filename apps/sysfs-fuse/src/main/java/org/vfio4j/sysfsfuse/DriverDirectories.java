package org.vfio4j.sysfsfuse;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.sys.ErrnoException;

/** The directories {@code drivers} of the buses: what each driver has, and the files that give it more or take it away. */
record DriverDirectories(PciBus bus, MdevBus mdevs, SysfsActions actions) {

    /** More fields of {@code new_id} than these are for the driver itself. */
    private static final int ID_FIELDS = 6;

    FuseNode pci() {
        return new Entries()
                .with(
                        () -> bus.drivers().stream().map(PciDriver::name).toList(),
                        name -> bus.drivers().stream()
                                .filter(driver -> driver.name().equals(name))
                                .findFirst()
                                .map(this::of));
    }

    FuseNode auxiliary() {
        return new Entries()
                .with(
                        () -> bus.auxiliary().drivers().stream()
                                .map(AuxiliaryDriver::name)
                                .toList(),
                        name -> bus.auxiliary().drivers().stream()
                                .filter(driver -> driver.name().equals(name))
                                .findFirst()
                                .map(this::of));
    }

    FuseNode mdev() {
        TreePath here = MdevDirectory.driver();
        return new Entries()
                .with(
                        String.valueOf(here.path().getFileName()),
                        () -> new Entries()
                                .with(
                                        () -> mdevs.devices().stream()
                                                .map(device -> device.uuid().toString())
                                                .toList(),
                                        name -> Lookup.mdev(mdevs, name)
                                                .map(device -> here.linkTo(MdevDirectory.path(device)))));
    }

    /** Lets the drivers see a function that has none. */
    FuseNode pciProbe() {
        return Attribute.writable(text -> actions.probe(device(text)));
    }

    private FuseNode of(PciDriver driver) {
        TreePath here = TreePath.of("bus/pci/drivers").in(driver.name());
        return new Entries()
                .with(
                        "bind",
                        () -> Attribute.writable(
                                text -> asForAnUnknown(() -> actions.bind(device(text), driver.name()))))
                .with("unbind", () -> Attribute.writable(text -> actions.unbind(device(text, driver))))
                .with("new_id", () -> ids(fields -> bus.addId(driver.name(), PciDeviceId.parse(fields))))
                .with("remove_id", () -> ids(fields -> bus.removeId(driver.name(), PciDeviceId.parse(fields))))
                .link(here, "module", TreePath.of("module").in(driver.name()))
                .with(
                        () -> bus.devices().stream()
                                .filter(device -> has(driver, device))
                                .map(PciDevice::name)
                                .toList(),
                        name -> Lookup.pci(bus, name)
                                .filter(device -> has(driver, device))
                                .map(device -> here.linkTo(TreePath.of(device))));
    }

    private FuseNode of(AuxiliaryDriver driver) {
        TreePath here = TreePath.of("bus/auxiliary/drivers").in(driver.name());
        Supplier<List<AuxiliaryDevice>> own = () -> bus.auxiliary().devices().stream()
                .filter(device -> device.driver().filter(driver::equals).isPresent())
                .toList();
        Function<String, AuxiliaryDevice> byName = name -> Lookup.auxiliary(bus, name)
                .orElseThrow(() -> new ErrnoException(ENODEV, "auxiliary device '" + name + "'"));
        return new Entries()
                .with(
                        "bind",
                        () -> Attribute.writable(
                                text -> asForAnUnknown(() -> actions.bind(byName.apply(text), driver.name()))))
                .with(
                        "unbind",
                        () -> Attribute.writable(text -> {
                            AuxiliaryDevice device = byName.apply(text);
                            if (!own.get().contains(device)) {
                                throw new ErrnoException(
                                        ENODEV, "unbind " + device + ", which " + driver.name() + " has not");
                            }
                            actions.unbind(device);
                        }))
                .with(
                        () -> own.get().stream().map(AuxiliaryDevice::name).toList(),
                        name -> own.get().stream()
                                .filter(device -> device.name().equals(name))
                                .findFirst()
                                .map(device -> here.linkTo(TreePath.of(device))));
    }

    /** A file that takes ids: hexadecimal fields with spaces between. */
    private static FuseNode ids(Consumer<List<String>> take) {
        return Attribute.writable(text -> {
            List<String> fields = Arrays.stream(text.strip().split("\\s+")).toList();
            take.accept(fields.subList(0, Math.min(fields.size(), ID_FIELDS)));
        });
    }

    // To a writer of bind, a driver that does not match is as good as a device that is not there.
    private static void asForAnUnknown(Runnable bind) {
        try {
            bind.run();
        } catch (ErrnoException e) {
            if (e.errno() == EINVAL) {
                throw new ErrnoException(ENODEV, String.valueOf(e.getMessage()));
            }
            throw e;
        }
    }

    private PciDevice device(String name) {
        return Lookup.pci(bus, name).orElseThrow(() -> new ErrnoException(ENODEV, "function '" + name + "'"));
    }

    private PciDevice device(String name, PciDriver driver) {
        return Optional.of(device(name))
                .filter(device -> has(driver, device))
                .orElseThrow(
                        () -> new ErrnoException(ENODEV, "unbind " + name + ", which " + driver.name() + " has not"));
    }

    private static boolean has(PciDriver driver, PciDevice device) {
        return device.driver().filter(driver::equals).isPresent();
    }
}
