package org.vfio4j.sysfsfuse;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.mdevcore.MdevAttribute;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.mdevcore.MdevUuid;

/**
 * What there is of mdevs among devices: a parent's types and mdevs, in the directory that the parent has (Linux,
 * Documentation/ABI/testing/sysfs-bus-vfio-mdev).
 */
record MdevDirectory(MdevBus mdevs, SysfsActions actions) {

    private static final String TYPES = "mdev_supported_types";
    private static final String DRIVER = "vfio_mdev";

    static TreePath path(MdevParent parent) {
        // Below /sys, with a slash in front of it.
        return TreePath.of(parent.path().substring(1));
    }

    static TreePath path(MdevDevice device) {
        return path(device.parent()).in(device.uuid().toString());
    }

    /** The directory of the driver of mdevs. */
    static TreePath driver() {
        return TreePath.of("bus/mdev/drivers").in(DRIVER);
    }

    /** What a parent's directory has because it is one; nothing for a directory of others. */
    FuseNode.Directory of(TreePath here) {
        return new Entries()
                .with(
                        () -> at(here).map(parent -> names(parent)).orElse(List.of()),
                        name -> at(here).flatMap(parent -> find(parent, name)));
    }

    /** The directories below a place that lead to parents which no bus has a directory for. */
    FuseNode.Directory below(TreePath place) {
        return new Entries().with(() -> namesBelow(place), name -> {
            TreePath next = place.in(name);
            return namesBelow(place).contains(name)
                    ? Optional.of(new Entries().with(of(next)).with(below(next)))
                    : Optional.empty();
        });
    }

    private List<String> namesBelow(TreePath place) {
        return mdevs.parents().stream()
                .map(parent -> path(parent).path())
                .filter(path -> path.startsWith(place.path()) && !path.equals(place.path()) && isVirtual(path))
                .map(path -> path.getName(place.path().getNameCount()).toString())
                .distinct()
                .toList();
    }

    private static boolean isVirtual(Path path) {
        return path.startsWith("/devices/virtual");
    }

    private Optional<MdevParent> at(TreePath place) {
        return mdevs.parents().stream()
                .filter(parent -> path(parent).equals(place))
                .findFirst();
    }

    private List<String> names(MdevParent parent) {
        return Stream.concat(
                        Stream.of(TYPES),
                        mdevs.devices(parent).stream()
                                .map(device -> device.uuid().toString()))
                .toList();
    }

    private Optional<FuseNode> find(MdevParent parent, String name) {
        if (name.equals(TYPES)) {
            return Optional.of(types(parent));
        }
        return Lookup.mdev(mdevs, name)
                .filter(device -> device.parent() == parent)
                .map(this::of);
    }

    private FuseNode types(MdevParent parent) {
        Entries entries = new Entries();
        parent.types().forEach(type -> entries.with(type.name(), () -> of(parent, type)));
        return entries;
    }

    private FuseNode of(MdevParent parent, MdevType type) {
        TreePath devices = path(parent).in(TYPES).in(type.name()).in("devices");
        Entries entries = new Entries()
                .with("create", () -> Attribute.writable(text -> actions.create(parent, type, MdevUuid.parse(text))))
                .with("name", () -> Attribute.readable(type::prettyName))
                .with("device_api", () -> Attribute.readable(type::deviceApi))
                .with(
                        "available_instances",
                        () -> Attribute.readable(() -> Integer.toString(parent.availableInstances(type))))
                .with(
                        "devices",
                        () -> new Entries()
                                .with(
                                        () -> mdevs.devices(parent).stream()
                                                .filter(device -> device.type().equals(type))
                                                .map(device -> device.uuid().toString())
                                                .toList(),
                                        name -> Lookup.mdev(mdevs, name)
                                                .filter(device -> device.parent() == parent
                                                        && device.type().equals(type))
                                                .map(device -> devices.linkTo(path(device)))));
        type.description()
                .ifPresent(description -> entries.with("description", () -> Attribute.readable(() -> description)));
        return entries;
    }

    private FuseNode of(MdevDevice device) {
        TreePath here = path(device);
        return new Entries()
                .with(
                        "remove",
                        () -> Attribute.writable(text -> {
                            if (Numbers.parse(text, Integer.MAX_VALUE) != 0) {
                                actions.remove(device);
                            }
                        }))
                .with("uevent", () -> Attribute.readable(() -> "DRIVER=" + DRIVER))
                .link(
                        here,
                        "mdev_type",
                        path(device.parent()).in(TYPES).in(device.type().name()))
                .link(here, "subsystem", TreePath.of("bus/mdev"))
                .link(here, "driver", driver())
                .with(attributes(device, ""));
    }

    /** The attributes whose paths begin with {@code prefix}: those of a group have a directory. */
    private static FuseNode.Directory attributes(MdevDevice device, String prefix) {
        Map<String, MdevAttribute> all = device.instance().attributes();
        return new Entries()
                .with(
                        () -> {
                            List<String> names = new ArrayList<>();
                            all.keySet().stream()
                                    .filter(path -> path.startsWith(prefix))
                                    .map(path -> path.substring(prefix.length()).replaceFirst("/.*", ""))
                                    .distinct()
                                    .forEach(names::add);
                            return names;
                        },
                        name -> {
                            MdevAttribute found = all.get(prefix + name);
                            if (found != null) {
                                return Optional.of(Attribute.of(found::show, found::store));
                            }
                            String group = prefix + name + "/";
                            return all.keySet().stream().anyMatch(path -> path.startsWith(group))
                                    ? Optional.of(attributes(device, group))
                                    : Optional.empty();
                        });
    }
}
