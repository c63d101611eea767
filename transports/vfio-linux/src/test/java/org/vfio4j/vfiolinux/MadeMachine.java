package org.vfio4j.vfiolinux;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** A tree that looks as a machine's /sys, /proc and /dev do, and does what the kernel does when its attributes are written. */
final class MadeMachine implements HostKernel {

    static final PciAddress DISK = PciAddress.parse("0000:00:04.0");
    static final PciAddress NIC = PciAddress.parse("0000:02:00.0");

    final Path root;
    final List<String> writes = new ArrayList<>();

    /** Which of the kernel's drivers knows a function. */
    private final Map<PciAddress, String> drivers = new HashMap<>();

    /** Network interfaces with an IPv4 address. */
    final Set<String> addressed = new HashSet<>();

    /** Groups that a process has. */
    final Set<Path> open = new HashSet<>();

    /** What vfio-pci does not take. */
    PciAddress refused = PciAddress.parse("ffff:00:00.0");

    MadeMachine(Path root) {
        this.root = root;
        text("sys/bus/pci/drivers_probe", "");
        text("proc/self/mountinfo", "22 1 253:0 / / rw,relatime - ext4 /dev/vda1 rw");
        text("proc/swaps", "Filename Type Size Used Priority");
        text("proc/net/route", "Iface Destination Gateway");
        text("proc/net/if_inet6", "");
        driver("vfio-pci");
    }

    /** An NVMe disk with driver nvme in group 7. */
    static MadeMachine withDisk(Path root) {
        MadeMachine machine = new MadeMachine(root);
        machine.function(DISK, "nvme", 0x010802, 7);
        return machine;
    }

    HostPci pci() {
        return new HostPci(root, this);
    }

    void function(PciAddress address, String driver, int pciClass, int group) {
        String bus = "sys/devices/pci%04x:%02x/".formatted(address.domain(), address.bus());
        String device = bus + address;
        text(device + "/vendor", "0x1b36");
        text(device + "/device", "0x0010");
        text(device + "/subsystem_vendor", "0x1af4");
        text(device + "/subsystem_device", "0x1100");
        text(device + "/class", "0x%06x".formatted(pciClass));
        text(device + "/driver_override", "(null)");
        text(device + "/reset", "");
        bytes(device + "/config", new byte[64]);
        link("sys/bus/pci/devices/" + address, device);
        if (group >= 0) {
            String groupPath = "sys/kernel/iommu_groups/" + group;
            link(groupPath + "/devices/" + address, device);
            link(device + "/iommu_group", groupPath);
        }
        if (!driver.isEmpty()) {
            driver(driver);
            drivers.put(address, driver);
            link(device + "/driver", "sys/bus/pci/drivers/" + driver);
        }
    }

    void block(PciAddress address, String name, String number) {
        String directory =
                "sys/devices/pci%04x:%02x/%s/nvme/nvme0/%s".formatted(address.domain(), address.bus(), address, name);
        text(directory + "/dev", number);
        link("sys/class/block/" + name, directory);
    }

    void network(PciAddress address, String name) {
        String directory =
                "sys/devices/pci%04x:%02x/%s/net/%s".formatted(address.domain(), address.bus(), address, name);
        text(directory + "/mtu", "1500");
        link("sys/class/net/" + name, directory);
    }

    void driver(String name) {
        text("sys/bus/pci/drivers/" + name + "/unbind", "");
    }

    void text(String path, String text) {
        bytes(path, (text + "\n").getBytes(UTF_8));
    }

    void bytes(String path, byte[] content) {
        try {
            Files.createDirectories(root.resolve(path).getParent());
            Files.write(root.resolve(path), content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void link(String path, String target) {
        Path link = root.resolve(path);
        try {
            Files.createDirectories(link.getParent());
            Files.createDirectories(root.resolve(target));
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, link.getParent().relativize(root.resolve(target)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void delete(String path) {
        try {
            Files.delete(root.resolve(path));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A process has a group. */
    void process(int id, String command, int group) {
        Path file = root.resolve("dev/vfio/" + group);
        open.add(file);
        text("proc/" + id + "/comm", command);
        try {
            Path descriptors = Files.createDirectories(root.resolve("proc/" + id + "/fd"));
            Files.createSymbolicLink(descriptors.resolve("3"), file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public boolean hasIpv4Address(String networkInterface) {
        return addressed.contains(networkInterface);
    }

    @Override
    public boolean hasOpen(Path group) {
        return open.contains(group);
    }

    @Override
    public void write(Path file, String text) {
        writes.add(root.resolve("sys/bus/pci").relativize(file) + " " + text.strip());
        String name = file.getFileName().toString();
        switch (name) {
            case "driver_override" -> text(root.relativize(file).toString(), text.isBlank() ? "(null)" : text.strip());
            case "unbind" -> delete("sys/bus/pci/devices/" + text + "/driver");
            case "drivers_probe" -> probe(PciAddress.parse(text));
            default -> throw new ErrnoException(Errno.EACCES, "write " + file);
        }
    }

    private void probe(PciAddress address) {
        String device = "sys/bus/pci/devices/" + address;
        String override = HostTree.read(root.resolve(device + "/driver_override"));
        String driver = override.equals("(null)") ? drivers.getOrDefault(address, "") : override;
        if (!driver.isEmpty() && !(driver.equals("vfio-pci") && address.equals(refused))) {
            Path real = HostTree.real(root).relativize(HostTree.real(root.resolve(device)));
            link(real + "/driver", "sys/bus/pci/drivers/" + driver);
        }
    }
}
