package org.vfio4j.cli.state;

import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * What an open device says about itself.
 *
 * @param regions those that exist
 * @param irqs those that exist
 * @param features those that it has
 * @param migration what it can do of live migration, empty for nothing
 */
public record Inspection(
        List<ServerState.Region> regions,
        List<ServerState.Irq> irqs,
        List<ServerState.Feature> features,
        List<String> migration) {

    /** Of a function that cannot be opened. */
    public static final Inspection NOTHING = new Inspection(List.of(), List.of(), List.of(), List.of());

    private static final VfioRegionCapabilities.Type NO_TYPE = new VfioRegionCapabilities.Type(0, 0);
    private static final List<String> REGIONS =
            List.of("BAR0", "BAR1", "BAR2", "BAR3", "BAR4", "BAR5", "ROM", "config", "VGA");
    private static final List<String> REGION_CAPABILITIES = List.of("", "sparse-mmap", "type", "msix-mappable");
    private static final List<String> IRQS = List.of("INTx", "MSI", "MSI-X", "ERR", "REQ");
    private static final List<String> FEATURES = List.of(
            "pci-vf-token",
            "migration",
            "mig-device-state",
            "low-power-entry",
            "low-power-entry-with-wakeup",
            "low-power-exit",
            "dma-logging-start",
            "dma-logging-stop",
            "dma-logging-report",
            "mig-data-size",
            "bus-master",
            "dma-buf",
            "mig-precopy-info-v2");

    /** By bit of {@code struct vfio_device_feature_migration.flags}. */
    private static final List<String> MIGRATION = List.of("stop-copy", "p2p", "pre-copy");

    /** @param file the caller's, who is its only user */
    public static Inspection of(VfioDeviceFile file) {
        List<ServerState.Feature> features = features(file);
        boolean migrates = features.stream().anyMatch(f -> f.index() == VFIO_DEVICE_FEATURE_MIGRATION);
        return new Inspection(regions(file), irqs(file), features, migrates ? migration(file) : List.of());
    }

    private static List<ServerState.Region> regions(VfioDeviceFile file) {
        List<ServerState.Region> regions = new ArrayList<>();
        for (int i = 0; i < file.info().numRegions(); i++) {
            VfioRegionInfo info = file.regionInfo(i);
            if (info.sizeBytes() != 0) {
                regions.add(region(info));
            }
        }
        return regions;
    }

    private static ServerState.Region region(VfioRegionInfo info) {
        List<VfioInfoCapability> capabilities = info.capabilities();
        VfioRegionCapabilities.Type type =
                VfioRegionCapabilities.type(capabilities).orElse(NO_TYPE);
        return new ServerState.Region(
                info.index(),
                name(REGIONS, info.index(), "region"),
                info.sizeBytes(),
                info.flags(),
                capabilities.stream()
                        .map(capability -> name(REGION_CAPABILITIES, capability.id(), "capability"))
                        .toList(),
                Integer.toUnsignedLong(type.type()),
                Integer.toUnsignedLong(type.subtype()),
                VfioRegionCapabilities.sparseAreas(capabilities).orElse(List.of()).stream()
                        .map(area -> new ServerState.Area(area.offset(), area.sizeBytes()))
                        .toList());
    }

    private static List<ServerState.Irq> irqs(VfioDeviceFile file) {
        List<ServerState.Irq> irqs = new ArrayList<>();
        for (int i = 0; i < file.info().numIrqs(); i++) {
            VfioIrqInfo info = file.irqInfo(i);
            if (info.count() != 0) {
                VfioRegionCapabilities.Type type = type(info).orElse(NO_TYPE);
                irqs.add(new ServerState.Irq(
                        i,
                        name(IRQS, i, "irq"),
                        info.count(),
                        info.flags(),
                        Integer.toUnsignedLong(type.type()),
                        Integer.toUnsignedLong(type.subtype())));
            }
        }
        return irqs;
    }

    // An interrupt's has another id and the same body.
    private static Optional<VfioRegionCapabilities.Type> type(VfioIrqInfo info) {
        return VfioRegionCapabilities.type(info.capabilities().stream()
                .filter(capability -> capability.id() == VFIO_IRQ_INFO_CAP_TYPE)
                .map(capability ->
                        new VfioInfoCapability(VFIO_REGION_INFO_CAP_TYPE, capability.version(), capability.body()))
                .toList());
    }

    private static List<ServerState.Feature> features(VfioDeviceFile file) {
        List<ServerState.Feature> features = new ArrayList<>();
        for (int i = 0; i < FEATURES.size(); i++) {
            if (has(file, i, 0)) {
                List<String> operations = new ArrayList<>();
                if (has(file, i, VFIO_DEVICE_FEATURE_GET)) {
                    operations.add("get");
                }
                if (has(file, i, VFIO_DEVICE_FEATURE_SET)) {
                    operations.add("set");
                }
                features.add(new ServerState.Feature(i, FEATURES.get(i), operations));
            }
        }
        return features;
    }

    private static boolean has(VfioDeviceFile file, int feature, int operation) {
        try {
            file.feature(VFIO_DEVICE_FEATURE_PROBE | operation | feature, MemorySegment.NULL);
            return true;
        } catch (ErrnoException e) {
            // The answer no.
            return false;
        }
    }

    private static List<String> migration(VfioDeviceFile file) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment flags = arena.allocate(ValueLayout.JAVA_LONG);
            file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, flags);
            long bits = flags.get(ValueLayout.JAVA_LONG, 0);
            List<String> abilities = new ArrayList<>();
            for (int bit = 0; bit < MIGRATION.size(); bit++) {
                if ((bits >>> bit & 1) != 0) {
                    abilities.add(MIGRATION.get(bit));
                }
            }
            return abilities;
        }
    }

    private static String name(List<String> names, int index, String otherwise) {
        return index < names.size() ? names.get(index) : otherwise + index;
    }
}
