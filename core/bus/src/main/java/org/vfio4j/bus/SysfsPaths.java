package org.vfio4j.bus;

import java.nio.file.Path;
import java.util.Locale;

/**
 * Where things are in a tree that looks as /sys does: each device in its parent's directory, the buses' own directories with links
 * to them. All links are relative, so that the tree reads the same wherever it is.
 *
 * @param top what stands for /sys
 */
public record SysfsPaths(Path top) {

    static final String PCI = "pci";
    static final String AUXILIARY = "auxiliary";

    /** The buses that there are. */
    static final String[] BUSES = {PCI, AUXILIARY};

    /** A device's own directory. */
    public Path of(BusDevice device) {
        Path in = device.parent().map(this::of).orElseGet(() -> root(device));
        return in.resolve(device.name());
    }

    Path devices(String bus) {
        return top.resolve("bus").resolve(bus).resolve("devices");
    }

    Path drivers(String bus) {
        return top.resolve("bus").resolve(bus).resolve("drivers");
    }

    static String busOf(BusDevice device) {
        return switch (device) {
            case PciDevice pci -> PCI;
            case AuxiliaryDevice auxiliary -> AUXILIARY;
        };
    }

    // Only a function has no parent, and it sits on a root bus then.
    private Path root(BusDevice device) {
        String name = switch (device) {
            case PciDevice pci ->
                String.format(
                        Locale.ROOT,
                        "pci%04x:%02x",
                        pci.address().domain(),
                        pci.address().bus());
            case AuxiliaryDevice auxiliary -> AUXILIARY;
        };
        return top.resolve("devices").resolve(name);
    }
}
