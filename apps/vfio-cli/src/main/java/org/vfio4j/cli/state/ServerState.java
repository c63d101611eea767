package org.vfio4j.cli.state;

import java.util.List;
import java.util.stream.Stream;
import org.vfio4j.cli.text.JsonWriter;

/**
 * What a serving process tells others about itself, in a file and as the answer to requests. Fields are only ever added.
 *
 * @param pid the process
 * @param sysfs its directory for {@code lspci -O sysfs.path=}
 * @param qemu arguments for a QEMU that uses all its sockets
 * @param functions what it has on its bus, bridges apart
 * @param bridges what the functions sit behind
 * @param auxiliary what its drivers have handed to the auxiliary bus
 * @param mdevs the mediated devices of its parents
 */
public record ServerState(
        long pid,
        String sysfs,
        List<String> qemu,
        List<Function> functions,
        List<Bridge> bridges,
        List<Auxiliary> auxiliary,
        List<Mdev> mdevs) {

    /**
     * A function on a serving process's bus.
     *
     * @param address as {@code 0000:00:01.0}
     * @param id vendor and device, as {@code 1af4:1042}
     * @param kind what it is, as {@code virtio-blk}
     * @param description what it stands on, for people
     * @param driver the driver that has it, empty for none
     * @param vfioDevice as {@code vfio0}, empty without a driver
     * @param socket where it is served while it has a driver, empty for an inherited descriptor
     * @param driverOverride the only driver that may have it, empty for any
     * @param candidates the VFIO drivers that match it, the best first
     * @param regions those that exist, none without a driver
     * @param irqs those that exist, none without a driver
     * @param features those of {@code VFIO_DEVICE_FEATURE} that it has
     * @param migration what it can do of live migration, empty for nothing
     * @param parent the bridge that it sits behind, empty for none
     * @param auxiliary the auxiliary device that is about it, empty for none
     * @param serving {@link #AT_PATH}, {@link #INHERITED} or {@link #UNSERVED}
     * @param migrationState as {@code RUNNING}, empty when it cannot migrate
     * @param emulatedBy the network function of the DPU that emulates it, empty for none
     * @param physicalFunction of which it is a virtual function, empty for none
     * @param numVfs how many virtual functions of it are on
     * @param totalVfs how many there can be
     */
    public record Function(
            String address,
            String id,
            String kind,
            String description,
            String driver,
            String vfioDevice,
            String socket,
            String driverOverride,
            List<String> candidates,
            List<Region> regions,
            List<Irq> irqs,
            List<Feature> features,
            List<String> migration,
            String parent,
            String auxiliary,
            String serving,
            String migrationState,
            String emulatedBy,
            String physicalFunction,
            int numVfs,
            int totalVfs) {

        public static final String AT_PATH = "path";
        public static final String INHERITED = "inherited";
        public static final String UNSERVED = "no";

        /** Where it is served, for people. */
        public String where() {
            if (!socket.isEmpty()) {
                return socket;
            }
            return serving.equals(UNSERVED) ? "(not served)" : "(inherited socket)";
        }

        public void write(JsonWriter json) {
            json.object().field("address", address).field("id", id).field("kind", kind);
            json.field("description", description).field("driver", driver);
            json.field("vfioDevice", vfioDevice).field("socket", socket);
            json.field("driverOverride", driverOverride).field("candidates", candidates);
            json.array("regions");
            regions.forEach(region -> region.write(json));
            json.endArray().array("irqs");
            irqs.forEach(irq -> irq.write(json));
            json.endArray().array("features");
            features.forEach(feature -> feature.write(json));
            json.endArray().field("migration", migration);
            json.field("parent", parent).field("auxiliary", auxiliary);
            json.field("serving", serving).field("migrationState", migrationState);
            json.field("emulatedBy", emulatedBy).field("physicalFunction", physicalFunction);
            json.field("numVfs", numVfs).field("totalVfs", totalVfs);
            json.end();
        }
    }

    /**
     * A bridge.
     *
     * @param address as {@code 0000:00:02.0}
     * @param id vendor and device
     * @param port {@code root-port}, {@code upstream-port}, {@code downstream-port} or {@code bridge}
     * @param secondaryBus the bus right behind it
     * @param subordinateBus the last bus behind it
     * @param parent the bridge that it sits behind, empty for none
     */
    public record Bridge(String address, String id, String port, int secondaryBus, int subordinateBus, String parent) {

        void write(JsonWriter json) {
            json.object().field("address", address).field("id", id).field("port", port);
            json.field("secondaryBus", secondaryBus).field("subordinateBus", subordinateBus);
            json.field("parent", parent).end();
        }
    }

    /**
     * An auxiliary device.
     *
     * @param name as {@code mlx5_core.vfio_pci.2048}
     * @param parent the device that it is a part of
     * @param driver the driver that has it, empty for none
     * @param function the PCI function that it is about, empty for none
     */
    public record Auxiliary(String name, String parent, String driver, String function) {

        public void write(JsonWriter json) {
            json.object().field("name", name).field("parent", parent).field("driver", driver);
            json.field("function", function).end();
        }
    }

    /**
     * A mediated device.
     *
     * @param uuid its name
     * @param parent of which it is made
     * @param type as {@code mtty-2}
     * @param description its type, for people
     * @param vfioDevice as {@code vfio0}
     * @param socket where it is served
     * @param regions those that exist
     * @param irqs those that exist
     * @param features those of {@code VFIO_DEVICE_FEATURE} that it has
     * @param migration what it can do of live migration, empty for nothing
     */
    public record Mdev(
            String uuid,
            String parent,
            String type,
            String description,
            String vfioDevice,
            String socket,
            List<Region> regions,
            List<Irq> irqs,
            List<Feature> features,
            List<String> migration) {

        void write(JsonWriter json) {
            json.object().field("uuid", uuid).field("parent", parent).field("type", type);
            json.field("description", description).field("vfioDevice", vfioDevice);
            json.field("socket", socket).array("regions");
            regions.forEach(region -> region.write(json));
            json.endArray().array("irqs");
            irqs.forEach(irq -> irq.write(json));
            json.endArray().array("features");
            features.forEach(feature -> feature.write(json));
            json.endArray().field("migration", migration).end();
        }
    }

    /**
     * A region that exists.
     *
     * @param name as {@code BAR0}
     * @param flags {@code VFIO_REGION_INFO_FLAG_*}
     * @param capabilities what it says about itself, as {@code sparse-mmap}
     * @param type of a device-specific region, 0 for others
     * @param subtype what the type says it is
     * @param areas what can be mapped of a sparse region
     */
    public record Region(
            int index,
            String name,
            long sizeBytes,
            int flags,
            List<String> capabilities,
            long type,
            long subtype,
            List<Area> areas) {

        void write(JsonWriter json) {
            json.object().field("index", index).field("name", name).field("sizeBytes", sizeBytes);
            json.field("flags", flags).field("capabilities", capabilities);
            json.field("type", type).field("subtype", subtype).array("areas");
            for (Area area : areas) {
                json.object().field("offset", area.offset()).field("sizeBytes", area.sizeBytes());
                json.end();
            }
            json.endArray().end();
        }
    }

    public record Area(long offset, long sizeBytes) {}

    /**
     * An interrupt index that exists.
     *
     * @param name as {@code MSI-X}
     * @param count vectors
     * @param flags {@code VFIO_IRQ_INFO_*}
     * @param type of a device-specific interrupt, 0 for others
     * @param subtype what the type says it is
     */
    public record Irq(int index, String name, int count, int flags, long type, long subtype) {

        void write(JsonWriter json) {
            json.object().field("index", index).field("name", name).field("count", count);
            json.field("flags", flags).field("type", type).field("subtype", subtype);
            json.end();
        }
    }

    /**
     * A feature of a device.
     *
     * @param index {@code VFIO_DEVICE_FEATURE_*}
     * @param name as {@code bus-master}
     * @param operations of {@code get} and {@code set}
     */
    public record Feature(int index, String name, List<String> operations) {

        void write(JsonWriter json) {
            json.object().field("index", index).field("name", name);
            json.field("operations", operations).end();
        }
    }

    /** The same with these mdevs as well. */
    public ServerState with(List<Mdev> more) {
        List<Mdev> all = Stream.concat(mdevs.stream(), more.stream()).toList();
        List<String> sockets = Stream.concat(
                        functions.stream().map(Function::socket), all.stream().map(Mdev::socket))
                .filter(path -> !path.isEmpty())
                .toList();
        return new ServerState(pid, sysfs, QemuLine.arguments(sockets), functions, bridges, auxiliary, all);
    }

    /** As JSON, on one line. */
    public void write(JsonWriter json) {
        json.object().field("pid", pid).field("sysfs", sysfs).field("qemu", qemu);
        json.array("functions");
        functions.forEach(function -> function.write(json));
        json.endArray().array("bridges");
        bridges.forEach(bridge -> bridge.write(json));
        json.endArray().array("auxiliary");
        auxiliary.forEach(device -> device.write(json));
        json.endArray().array("mdevs");
        mdevs.forEach(device -> device.write(json));
        json.endArray().end();
    }
}
