package org.vfio4j.cli.device;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.text.CliException;

/** The kinds of devices that there are. Belongs to one command. */
public final class DeviceKinds {

    private final List<DeviceKind> kinds;

    public DeviceKinds() {
        this(Storage.ANEW);
    }

    /** @param storage where disks get theirs */
    public DeviceKinds(Storage storage) {
        this(List.of(
                new VirtioBlkKind(storage),
                new NvmeKind(storage),
                new I40eVfKind(),
                new BluefieldKind(storage),
                new PciKind()));
    }

    DeviceKinds(List<DeviceKind> kinds) {
        this.kinds = kinds;
    }

    /** Checks the words of one device: its kind, then its settings. */
    public DevicePlan plan(List<String> words) {
        return plan(words.getFirst(), Setting.parse(words.subList(1, words.size())));
    }

    /** Checks the settings of one device. */
    public DevicePlan plan(String name, List<Setting> settings) {
        for (DeviceKind kind : kinds) {
            if (kind.name().equals(name)) {
                return kind.plan(settings);
            }
        }
        String known = String.join(", ", kinds.stream().map(DeviceKind::name).toList());
        throw CliException.usage("unknown device '" + name + "': there is " + known, "vfio serve --help");
    }

    /** What there is, for {@code --help}. */
    public List<String> help() {
        List<String> lines = new ArrayList<>();
        for (DeviceKind kind : kinds) {
            lines.add("  " + kind.name() + " with");
            kind.help().forEach(line -> lines.add("    " + line));
        }
        return lines;
    }
}
