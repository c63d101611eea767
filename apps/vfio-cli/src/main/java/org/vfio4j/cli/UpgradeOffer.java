package org.vfio4j.cli;

import java.util.List;

/**
 * What a serving process tells one that is to take over from it: how to set up the same machine.
 *
 * @param format of what the processes say to each other
 * @param version of the program
 * @param directory where it was started, which relative paths begin at
 * @param arguments of {@code vfio}, beginning with {@code serve}
 * @param functions how many functions and mediated devices are served
 * @param devices the names of all, served or not
 * @param memories disks in memory, in the order in which their descriptors come
 * @param virtuals which physical functions have virtual ones on
 * @param mdevs the mediated devices that there are, in the order of their making
 */
record UpgradeOffer(
        int format,
        String version,
        String directory,
        List<String> arguments,
        int functions,
        List<String> devices,
        List<Memory> memories,
        List<Virtuals> virtuals,
        List<Mdev> mdevs) {

    /** The {@link #format} of this version of the program. */
    static final int FORMAT = 2;

    /**
     * A disk in memory.
     *
     * @param device its place on the bus, or its uuid
     * @param index which of the device's storages it is
     */
    record Memory(String device, int index) {}

    /**
     * A physical function.
     *
     * @param address its place on the bus
     * @param count how many of its virtual functions are on
     */
    record Virtuals(String address, int count) {}

    /** A mediated device. */
    record Mdev(String uuid, String parent, String type, String socket) {}

    /** Whether both have the same devices. */
    boolean hasDevicesOf(UpgradeOffer other) {
        return functions == other.functions
                && devices.equals(other.devices)
                && memories.equals(other.memories)
                && virtuals.equals(other.virtuals)
                && mdevs.equals(other.mdevs);
    }

    void write(JsonWriter json) {
        json.object().field("format", format).field("version", version).field("directory", directory);
        json.field("arguments", arguments).field("functions", functions).field("devices", devices);
        json.array("memories");
        for (Memory memory : memories) {
            json.object().field("device", memory.device()).field("index", memory.index()).end();
        }
        json.endArray().array("virtuals");
        for (Virtuals each : virtuals) {
            json.object().field("address", each.address()).field("count", each.count()).end();
        }
        json.endArray().array("mdevs");
        for (Mdev mdev : mdevs) {
            json.object().field("uuid", mdev.uuid()).field("parent", mdev.parent());
            json.field("type", mdev.type()).field("socket", mdev.socket()).end();
        }
        json.endArray().end();
    }
}
