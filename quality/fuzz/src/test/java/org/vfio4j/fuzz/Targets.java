package org.vfio4j.fuzz;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** The targets that there are. Stateless. */
final class Targets {

    private static final Map<String, Supplier<FuzzTarget>> ALL = new TreeMap<>(Map.of(
            "messages", MessageTarget::new,
            "version-json", VersionJsonTarget::new,
            "client", ClientTarget::new,
            "config", ConfigTarget::new,
            "descriptors", DescriptorTarget::new,
            "disk-state", DiskStateTarget::new,
            "facts", FactsTarget::new,
            "nic-state", NicStateTarget::new,
            "nvme", NvmeTarget::new,
            "vhca-stream", VhcaStreamTarget::new));

    private Targets() {}

    static List<String> names() {
        return List.copyOf(ALL.keySet());
    }

    /** A target, ready; the caller closes it. */
    static FuzzTarget open(String name) {
        Supplier<FuzzTarget> target = ALL.get(name);
        if (target == null) {
            throw new IllegalArgumentException("no fuzz target is called " + name + ": there are " + names());
        }
        return target.get();
    }
}
