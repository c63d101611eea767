package org.vfio4j.cli.inspect;

import static org.vfio4j.uapi.PciRegs.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Configuration space for people: the header's main registers and the capabilities. lspci tells more. */
public final class ConfigText {

    private static final int FIRST_EXTENDED = 0x100;
    // No list has more entries than fit the space.
    private static final int MAX_CAPABILITIES = 48;

    private ConfigText() {}

    /** Lines for a configuration space of 256 or 4096 bytes. */
    public static List<String> lines(byte[] bytes) {
        ByteBuffer config = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT,
                "id %04x:%04x  subsystem %04x:%04x  class %06x  revision %02x",
                config.getShort(PCI_VENDOR_ID) & 0xffff,
                config.getShort(PCI_DEVICE_ID) & 0xffff,
                config.getShort(PCI_SUBSYSTEM_VENDOR_ID) & 0xffff,
                config.getShort(PCI_SUBSYSTEM_ID) & 0xffff,
                config.getInt(PCI_CLASS_REVISION) >>> 8,
                config.get(PCI_CLASS_REVISION)));
        int command = config.getShort(PCI_COMMAND);
        lines.add("command "
                + (flag(command, PCI_COMMAND_IO, "io")
                                + flag(command, PCI_COMMAND_MEMORY, "memory")
                                + flag(command, PCI_COMMAND_MASTER, "bus-master")
                                + flag(command, PCI_COMMAND_INTX_DISABLE, "intx-disable"))
                        .strip());
        standard(config, lines);
        if (bytes.length > FIRST_EXTENDED) {
            extended(config, lines);
        }
        return lines;
    }

    private static void standard(ByteBuffer config, List<String> lines) {
        if ((config.getShort(PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) {
            return;
        }
        int at = config.get(PCI_CAPABILITY_LIST) & 0xfc;
        for (int i = 0; i < MAX_CAPABILITIES && at >= PCI_STD_HEADER_SIZEOF; i++) {
            int id = config.get(at) & 0xff;
            lines.add(String.format(Locale.ROOT, "capability %03x  %s%s", at, name(id), detail(config, at, id)));
            at = config.get(at + PCI_CAP_LIST_NEXT) & 0xfc;
        }
    }

    private static void extended(ByteBuffer config, List<String> lines) {
        int at = FIRST_EXTENDED;
        for (int i = 0; i < MAX_CAPABILITIES && at >= FIRST_EXTENDED; i++) {
            int header = config.getInt(at);
            if (header == 0 || header == -1) {
                return;
            }
            int id = header & 0xffff;
            String name = id == PCI_EXT_CAP_ID_DSN ? "device serial number" : String.format("id %04x", id);
            lines.add(String.format(Locale.ROOT, "extended   %03x  %s", at, name));
            at = header >>> 20 & 0xffc;
        }
    }

    private static String name(int id) {
        return switch (id) {
            case PCI_CAP_ID_PM -> "power management";
            case PCI_CAP_ID_MSI -> "MSI";
            case PCI_CAP_ID_MSIX -> "MSI-X";
            case PCI_CAP_ID_EXP -> "PCI Express";
            case PCI_CAP_ID_VNDR -> "vendor specific";
            case PCI_CAP_ID_AF -> "advanced features";
            default -> String.format("id %02x", id);
        };
    }

    private static String detail(ByteBuffer config, int at, int id) {
        if (id != PCI_CAP_ID_MSIX) {
            return "";
        }
        int flags = config.getShort(at + PCI_MSIX_FLAGS);
        return ", " + ((flags & PCI_MSIX_FLAGS_QSIZE) + 1) + " vectors, "
                + ((flags & PCI_MSIX_FLAGS_ENABLE) != 0 ? "enabled" : "disabled");
    }

    private static String flag(int value, int mask, String name) {
        return (value & mask) != 0 ? name + " " : "";
    }
}
