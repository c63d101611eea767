package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_INTERRUPT_LINE;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The attributes of a function that its directory in /sys has as lines of text (Linux, Documentation/ABI/testing/sysfs-bus-pci).
 * Any thread asks.
 */
public final class PciAttributes {

    /** Those that every function has, and that stay as they are. */
    private static final List<String> FIXED = List.of(
            "vendor",
            "device",
            "subsystem_vendor",
            "subsystem_device",
            "class",
            "revision",
            "irq",
            "modalias",
            "numa_node",
            "resource");

    private static final List<String> OF_BRIDGE = List.of("secondary_bus_number", "subordinate_bus_number");
    private static final List<String> OF_SRIOV =
            List.of("sriov_totalvfs", "sriov_offset", "sriov_stride", "sriov_vf_device");
    private static final List<String> CHANGING = List.of("driver_override", "enable");
    private static final List<String> CHANGING_OF_SRIOV = List.of("sriov_numvfs");

    private PciAttributes() {}

    /** All that a function has. */
    public static List<String> names(PciDevice device) {
        List<String> names = new ArrayList<>(fixed(device));
        names.addAll(changing(device));
        return names;
    }

    /** What one says now, without the line's end; empty for one that the function does not have. */
    public static Optional<String> find(PciDevice device, String name) {
        return names(device).contains(name) ? Optional.of(text(device, name)) : Optional.empty();
    }

    static List<String> fixed(PciDevice device) {
        List<String> names = new ArrayList<>(FIXED);
        device.bridge().ifPresent(bridge -> names.addAll(OF_BRIDGE));
        device.sriov().ifPresent(sriov -> names.addAll(OF_SRIOV));
        return names;
    }

    static List<String> changing(PciDevice device) {
        List<String> names = new ArrayList<>(CHANGING);
        device.sriov().ifPresent(sriov -> names.addAll(CHANGING_OF_SRIOV));
        return names;
    }

    /** One of those that the function has. */
    static String text(PciDevice device, String name) {
        PciFunction function = device.function();
        return switch (name) {
            case "vendor" -> hex(function.configRead(PCI_VENDOR_ID, 2), 4);
            case "device" -> hex(function.configRead(PCI_DEVICE_ID, 2), 4);
            case "subsystem_vendor" -> hex(SubsystemIds.vendor(function), 4);
            case "subsystem_device" -> hex(SubsystemIds.device(function), 4);
            case "class" -> hex(function.configRead(PCI_CLASS_REVISION, 4) >>> 8, 6);
            case "revision" -> hex(function.configRead(PCI_CLASS_REVISION, 1), 2);
            case "irq" -> Integer.toString(function.configRead(PCI_INTERRUPT_LINE, 1));
            case "modalias" -> device.modalias();
            case "numa_node" -> "-1";
            case "resource" -> ResourceText.of(device);
            case "driver_override" -> device.driverOverride().orElse("(null)");
            case "enable" -> (function.configRead(PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) != 0 ? "1" : "0";
            default ->
                name.startsWith("sriov_")
                        ? text(device.sriov().orElseThrow(), name)
                        : text(device.bridge().orElseThrow(), name);
        };
    }

    private static String text(PciSriov sriov, String name) {
        return switch (name) {
            case "sriov_totalvfs" -> Integer.toString(sriov.totalVfs());
            case "sriov_offset" -> Integer.toString(sriov.offset());
            case "sriov_stride" -> Integer.toString(sriov.stride());
            case "sriov_vf_device" -> Integer.toHexString(sriov.vfDeviceId());
            case "sriov_numvfs" -> Integer.toString(sriov.numVfs());
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static String text(PciBridge bridge, String name) {
        return switch (name) {
            case "secondary_bus_number" -> Integer.toString(bridge.secondaryBus());
            case "subordinate_bus_number" -> Integer.toString(bridge.subordinateBus());
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static String hex(int value, int digits) {
        return String.format(Locale.ROOT, "0x%0" + digits + "x", value);
    }
}
