package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.vfiolinux.HostFunction.VFIO_PCI;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;

/**
 * The PCI functions of this machine: what /sys says of them, and giving them to {@code vfio-pci} and back to the kernel's drivers.
 * Remembers nothing: each call looks anew. Any thread.
 */
public final class HostPci {

    private static final String NO_OVERRIDE = "(null)";

    /** The kernel's name for the groups of functions whose DMA nothing translates. */
    private static final String NO_IOMMU_GROUP = "vfio-noiommu";

    private final Path root;
    private final HostKernel kernel;

    HostPci(Path root, HostKernel kernel) {
        this.root = root;
        this.kernel = kernel;
    }

    /** @param root what stands for /: its sys, proc and dev are looked at. Another than / has what its files tell, and no more. */
    public HostPci(Path root) {
        this(root, HostKernel.of(root));
    }

    public static HostPci ofThisMachine() {
        return new HostPci(HostKernel.ROOT);
    }

    /** All functions, in order. */
    public List<HostFunction> functions() {
        List<HostFunction> functions = new ArrayList<>();
        for (String name : HostTree.names(bus().resolve("devices"))) {
            address(name).ifPresent(address -> functions.add(read(address)));
        }
        return functions;
    }

    /** @throws ErrnoException ENODEV when there is none */
    public HostFunction function(PciAddress address) {
        if (!Files.isDirectory(device(address))) {
            throw new ErrnoException(ENODEV, "no PCI function " + address + " in " + bus().resolve("devices"));
        }
        return read(address);
    }

    /** What is in the way of opening a function; empty when nothing is that can be seen from here. */
    public Optional<HostObstacle> obstacle(HostFunction function) {
        return HostAccess.obstacle(this, function);
    }

    /**
     * The others of a function's group for which the kernel refuses it to users: those with a driver that uses the group's DMA for the kernel. Not
     * those without a driver, with one of VFIO's, or with one that leaves DMA to others.
     */
    public List<HostFunction> inTheWay(HostFunction function) {
        return HostAccess.inTheWay(this, function);
    }

    /** What this machine does with a function now, as far as it can be seen; none when nothing would be lost. */
    public List<String> uses(PciAddress address) {
        return use().of(HostTree.real(device(address)));
    }

    private HostUse use() {
        return new HostUse(root.resolve("sys"), processDirectory(), kernel);
    }

    /**
     * The configuration space that the kernel lets this user read: 64 bytes of it, or all. A virtual function has no ids of its own there, and
     * gets those by which the kernel knows it.
     *
     * @throws ErrnoException when it cannot be read
     */
    public byte[] config(PciAddress address) {
        return HostConfig.read(address, device(address));
    }

    /**
     * Gives a function to {@code vfio-pci}: sets its driver_override, takes its driver away, and lets the kernel look for another.
     *
     * @param force whether also one that is in use
     * @return the function afterwards
     * @throws ErrnoException EBUSY for one that is in use; EINVAL for a bridge; ENODEV when {@code vfio-pci} is not loaded; EACCES; EIO
     *     when it did not take the function, which has its own driver again then
     */
    public HostFunction bind(PciAddress address, boolean force) {
        HostFunction function = function(address);
        if (function.bridge()) {
            throw new ErrnoException(EINVAL, address + " is a bridge, which is not given away");
        }
        if (function.driver().equals(VFIO_PCI)) {
            return function;
        }
        if (function.iommuGroup().isEmpty()) {
            // It would lose its driver for nothing.
            throw HostAccess.noIommu().failure(address);
        }
        if (!Files.isDirectory(bus().resolve("drivers").resolve(VFIO_PCI))) {
            throw new ErrnoException(ENODEV, "the kernel has no driver " + VFIO_PCI + ": its module is not loaded");
        }
        if (function.hasVfioDriver()) {
            HostAccess.checkClosed(this, function);
        } else if (!force) {
            checkUnused(address);
        }
        setOverride(address, VFIO_PCI);
        try {
            probeAgain(address, function.driver());
        } catch (ErrnoException e) {
            giveBack(function, e);
            throw e;
        }
        HostFunction bound = function(address);
        if (!bound.driver().equals(VFIO_PCI)) {
            ErrnoException failure =
                    new ErrnoException(EIO, VFIO_PCI + " did not take " + address + ": the kernel's log says why");
            giveBack(function, failure);
            throw failure;
        }
        return bound;
    }

    /**
     * Gives a function back to the kernel's own driver for it, if there is one: clears its driver_override, takes its driver away, and
     * lets the kernel look for another.
     *
     * @return the function afterwards
     * @throws ErrnoException EINVAL for one that has neither a VFIO driver nor an override; EBUSY while it is open; EACCES
     */
    public HostFunction unbind(PciAddress address) {
        HostFunction function = function(address);
        if (!function.hasVfioDriver() && function.driverOverride().isEmpty()) {
            throw new ErrnoException(
                    EINVAL,
                    address + " is not bound to " + VFIO_PCI + ": "
                            + (function.driver().isEmpty()
                                    ? "it has no driver"
                                    : "its driver is " + function.driver()));
        }
        if (function.hasVfioDriver()) {
            // The kernel would wait for who has it, or one of its virtual functions, without end.
            HostAccess.checkClosed(this, function);
            checkNoVirtualFunctions(address);
        }
        setOverride(address, "");
        if (function.hasVfioDriver() || function.driver().isEmpty()) {
            probeAgain(address, function.driver());
        }
        return function(address);
    }

    HostKernel kernel() {
        return kernel;
    }

    Path vfioDirectory() {
        return root.resolve("dev/vfio");
    }

    Path processDirectory() {
        return root.resolve("proc");
    }

    private void checkUnused(PciAddress address) {
        List<String> uses = uses(address);
        if (uses.isEmpty()) {
            uses = use().held(HostTree.real(device(address)), root.resolve("dev"));
        }
        if (!uses.isEmpty()) {
            throw new ErrnoException(EBUSY, address + " is in use: " + String.join(", ", uses));
        }
    }

    private void checkNoVirtualFunctions(PciAddress address) {
        String count = HostTree.read(device(address).resolve("sriov_numvfs"));
        if (!count.isEmpty() && !count.equals("0")) {
            throw new ErrnoException(EBUSY, address + " has " + count + " virtual functions on: sriov_numvfs");
        }
    }

    private void probeAgain(PciAddress address, String driver) {
        if (!driver.isEmpty()) {
            kernel.write(bus().resolve("drivers").resolve(driver).resolve("unbind"), address.toString());
        }
        kernel.write(bus().resolve("drivers_probe"), address.toString());
    }

    /** @param driver empty for none */
    private void setOverride(PciAddress address, String driver) {
        kernel.write(device(address).resolve("driver_override"), driver + "\n");
    }

    /** After a failure, which is what matters and is told: it is as it was before, if that can be. */
    private void giveBack(HostFunction before, ErrnoException failure) {
        try {
            setOverride(before.address(), before.driverOverride());
            kernel.write(bus().resolve("drivers_probe"), before.address().toString());
        } catch (ErrnoException e) {
            failure.addSuppressed(e);
        }
    }

    private HostFunction read(PciAddress address) {
        Path device = device(address);
        OptionalInt group = group(device);
        int pciClass = HostTree.hexadecimal(device.resolve("class"));
        String override = HostTree.read(device.resolve("driver_override"));
        return new HostFunction(
                address,
                HostTree.hexadecimal(device.resolve("vendor")),
                HostTree.hexadecimal(device.resolve("device")),
                HostTree.hexadecimal(device.resolve("subsystem_vendor")),
                HostTree.hexadecimal(device.resolve("subsystem_device")),
                pciClass,
                HostAccess.isBridge(device, pciClass),
                HostTree.linkName(device.resolve("driver")),
                group,
                group.isEmpty() ? List.of() : others(device, address),
                override.equals(NO_OVERRIDE) ? "" : override,
                HostTree.names(device.resolve("vfio-dev")).stream().findFirst().orElse(""),
                Files.exists(device.resolve("reset")));
    }

    private static OptionalInt group(Path device) {
        Path link = device.resolve("iommu_group");
        String number = HostTree.linkName(link);
        boolean translates = !HostTree.read(link.resolve("name")).equals(NO_IOMMU_GROUP);
        return number.matches("\\d{1,9}") && translates
                ? OptionalInt.of(Integer.parseInt(number))
                : OptionalInt.empty();
    }

    private static List<PciAddress> others(Path device, PciAddress address) {
        return HostTree.names(device.resolve("iommu_group/devices")).stream()
                .flatMap(name -> address(name).stream())
                .filter(other -> !other.equals(address))
                .toList();
    }

    /** Empty for what is no function, and for domains of more than 16 bits, which {@link PciAddress} has not. */
    private static Optional<PciAddress> address(String name) {
        try {
            return Optional.of(PciAddress.parse(name));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private Path bus() {
        return root.resolve("sys/bus/pci");
    }

    private Path device(PciAddress address) {
        return bus().resolve("devices").resolve(address.toString());
    }
}
