package org.vfio4j.cli.machine;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.vfio4j.cli.device.EmulatedWords;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.JsonWriter;

/**
 * What a serving process tells one that is to take over from it: how to set up the same machine.
 *
 * @param format of what the processes say to each other
 * @param version of the program
 * @param directory where it was started, which relative paths begin at
 * @param arguments of {@code vfio}, beginning with {@code serve}
 * @param served how many functions and mediated devices are served
 * @param functions all of them, virtual ones behind their physical one
 * @param emulated those that a DPU was asked for, which the arguments do not name
 * @param devices the names of all that has storage: functions, also virtual ones that are off, and mediated devices
 * @param memories disks in memory, in the order in which their descriptors come
 * @param sockets the functions that are served at sockets of a parent process, in the order in which their descriptors come, behind
 *     those of {@code memories}
 * @param mdevs the mediated devices that there are, in the order of their making
 */
public record UpgradeOffer(
        int format,
        String version,
        String directory,
        List<String> arguments,
        int served,
        List<Function> functions,
        List<EmulatedWords> emulated,
        List<String> devices,
        List<Memory> memories,
        List<String> sockets,
        List<Mdev> mdevs) {

    /** The {@link #format} of this version of the program. */
    public static final int FORMAT = 4;

    /**
     * A disk in memory.
     *
     * @param device its place on the bus, or its uuid
     * @param index which of the device's storages it is
     */
    public record Memory(String device, int index) {}

    /**
     * A function, and what the command line does not say of it, because it can be changed while it is used.
     *
     * @param address its place on the bus
     * @param driver empty for one that has none
     * @param override its driver_override, empty for none
     * @param numVfs how many virtual functions are on
     * @param requestsPerSecond 0 for no limit
     * @param bytesPerSecond 0 for no limit
     */
    public record Function(
            String address, String driver, String override, int numVfs, long requestsPerSecond, long bytesPerSecond) {}

    /** A mediated device. */
    record Mdev(String uuid, String parent, String type, String socket) {}

    /** Whether both have the same devices. */
    public boolean hasDevicesOf(UpgradeOffer other) {
        return served == other.served
                && functions.equals(other.functions)
                && emulated.equals(other.emulated)
                && devices.equals(other.devices)
                && memories.equals(other.memories)
                && sockets.equals(other.sockets)
                && mdevs.equals(other.mdevs);
    }

    /** Whether there is such a function. */
    public boolean hasFunction(String address) {
        return functions.stream().anyMatch(function -> function.address().equals(address));
    }

    /**
     * The places of what a DPU was asked for: what the arguments have there has ended.
     *
     * @throws CliException when this version does not know its settings
     */
    public Set<String> emulatedPlaces() {
        return emulated.stream().flatMap(function -> function.places().stream()).collect(Collectors.toSet());
    }

    public void write(JsonWriter json) {
        json.object().field("format", format).field("version", version).field("directory", directory);
        json.field("arguments", arguments).field("served", served).array("functions");
        for (Function function : functions) {
            json.object().field("address", function.address()).field("driver", function.driver());
            json.field("override", function.override()).field("numVfs", function.numVfs());
            json.field("requestsPerSecond", function.requestsPerSecond());
            json.field("bytesPerSecond", function.bytesPerSecond()).end();
        }
        json.endArray().array("emulated");
        emulated.forEach(function -> function.write(json));
        json.endArray().field("devices", devices).array("memories");
        for (Memory memory : memories) {
            json.object()
                    .field("device", memory.device())
                    .field("index", memory.index())
                    .end();
        }
        json.endArray().field("sockets", sockets).array("mdevs");
        for (Mdev mdev : mdevs) {
            json.object().field("uuid", mdev.uuid()).field("parent", mdev.parent());
            json.field("type", mdev.type()).field("socket", mdev.socket()).end();
        }
        json.endArray().end();
    }
}
