package org.vfio4j.cli;

import java.util.List;

/**
 * What a serving process tells one that is to take over from it: how to set up the same machine.
 *
 * @param version of the program
 * @param directory where it was started, which relative paths begin at
 * @param arguments of {@code vfio}, beginning with {@code serve}
 * @param functions how many functions are served
 * @param memories disks in memory, in the order in which their descriptors come
 */
record UpgradeOffer(String version, String directory, List<String> arguments, int functions, List<Memory> memories) {

    /**
     * A disk in memory.
     *
     * @param address its function
     * @param index which of the function's storages it is
     */
    record Memory(String address, int index) {}

    void write(JsonWriter json) {
        json.object().field("version", version).field("directory", directory).field("arguments", arguments);
        json.field("functions", functions).array("memories");
        for (Memory memory : memories) {
            json.object()
                    .field("address", memory.address())
                    .field("index", memory.index())
                    .end();
        }
        json.endArray().end();
    }
}
