package org.vfio4j.cli.mdev;

import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.JsonNode;

/**
 * A type of mdevs, as {@code vfio mdev types} prints it. Fields are only ever added.
 *
 * @param parent of which such mdevs can be made
 * @param type as {@code mtty-2}
 * @param availableInstances how many more there could be now
 * @param deviceApi as {@code vfio-pci}
 * @param name for people
 * @param description more for people, often empty
 * @param pid the process that has the parent
 */
public record MdevTypeState(
        String parent,
        String type,
        int availableInstances,
        String deviceApi,
        String name,
        String description,
        long pid) {

    /** What a process has told. */
    public static MdevTypeState parse(JsonNode json) {
        return new MdevTypeState(
                json.path("parent").asString(""),
                json.path("type").asString(""),
                json.path("availableInstances").asInt(0),
                json.path("deviceApi").asString(""),
                json.path("name").asString(""),
                json.path("description").asString(""),
                json.path("pid").asLong(0));
    }

    public void write(JsonWriter json) {
        json.object().field("parent", parent).field("type", type);
        json.field("availableInstances", availableInstances).field("deviceApi", deviceApi);
        json.field("name", name).field("description", description).field("pid", pid);
        json.end();
    }
}
