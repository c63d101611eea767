package org.vfio4j.fuzz;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** The targets that there are. Stateless. */
final class Targets {

    private static final Map<String, Supplier<FuzzTarget>> ALL = new TreeMap<>(Map.ofEntries(
            Map.entry("messages", MessageTarget::new),
            Map.entry("version-json", VersionJsonTarget::new),
            Map.entry("client", ClientTarget::new),
            Map.entry("config", ConfigTarget::new),
            Map.entry("descriptors", DescriptorTarget::new),
            Map.entry("disk-state", DiskStateTarget::new),
            Map.entry("facts", FactsTarget::new),
            Map.entry("handover", HandoverTarget::new),
            Map.entry("nic-admin", NicAdminTarget::new),
            Map.entry("nic-state", NicStateTarget::new),
            Map.entry("nvme", NvmeTarget::new),
            Map.entry("vhca-stream", VhcaStreamTarget::new)));

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
