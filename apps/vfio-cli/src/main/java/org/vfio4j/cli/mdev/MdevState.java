package org.vfio4j.cli.mdev;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.JsonNode;

/**
 * An mdev, as a serving process tells of it and {@code vfio mdev list} prints it. Fields are only ever added.
 *
 * @param uuid its name
 * @param parent of which it is made
 * @param type as {@code mtty-2}
 * @param start {@code auto} or {@code manual} when it is defined, empty when it is not
 * @param active whether there is one now
 * @param vfioDevice as {@code vfio0}, empty for one that is not active
 * @param socket where it is served, empty for one that is not active
 * @param attributes of an active one all, of another those that are defined
 * @param pid the process that has it, 0 for none
 */
public record MdevState(
        String uuid,
        String parent,
        String type,
        String start,
        boolean active,
        String vfioDevice,
        String socket,
        List<MdevDefinition.Attribute> attributes,
        long pid) {

    /** As a process tells it, which knows no definitions. */
    public void write(JsonWriter json) {
        json.object().field("uuid", uuid).field("parent", parent).field("type", type);
        json.field("vfioDevice", vfioDevice).field("socket", socket).array("attributes");
        for (MdevDefinition.Attribute attribute : attributes) {
            json.object().field("name", attribute.name()).field("value", attribute.value());
            json.end();
        }
        json.endArray().field("pid", pid).end();
    }

    /** What a process has told. */
    public static MdevState parse(JsonNode json) {
        List<MdevDefinition.Attribute> attributes = new ArrayList<>();
        for (JsonNode attribute : json.path("attributes")) {
            attributes.add(new MdevDefinition.Attribute(
                    attribute.path("name").asString(""), attribute.path("value").asString("")));
        }
        return new MdevState(
                json.path("uuid").asString(""),
                json.path("parent").asString(""),
                json.path("type").asString(""),
                "",
                true,
                json.path("vfioDevice").asString(""),
                json.path("socket").asString(""),
                attributes,
                json.path("pid").asLong(0));
    }

    /** The same, with what is defined of it. */
    public MdevState withStart(String newStart) {
        return new MdevState(uuid, parent, type, newStart, active, vfioDevice, socket, attributes, pid);
    }

    /** One that is defined only. */
    public static MdevState of(MdevDefinition definition) {
        return new MdevState(
                definition.uuid().toString(),
                definition.parent(),
                definition.type(),
                definition.start(),
                false,
                "",
                "",
                definition.attributes(),
                0);
    }
}
