package org.vfio4j.cli.mdev;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The text of a definition, which is mdevctl's:
 * <code>{"mdev_type": "mtty-2", "start": "auto", "attrs": [{"port0/peer": "loopback"}]}</code>.
 */
public final class MdevFile {

    static final String AUTO = "auto";
    static final String MANUAL = "manual";

    private static final String TYPE = "mdev_type";
    private static final String START = "start";
    private static final String ATTRIBUTES = "attrs";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private MdevFile() {}

    /** As it is written. */
    public static String write(MdevDefinition definition) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put(TYPE, definition.type());
        fields.put(START, definition.start());
        fields.put(
                ATTRIBUTES,
                definition.attributes().stream()
                        .map(attribute -> Map.of(attribute.name(), attribute.value()))
                        .toList());
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(fields) + "\n";
    }

    /**
     * @param source where the text is from, for messages
     * @throws ErrnoException EINVAL, saying what is wrong where
     */
    public static MdevDefinition parse(String source, String text, String parent, UUID uuid) {
        JsonNode json;
        try {
            json = JSON.readTree(text);
        } catch (JacksonException e) {
            throw refused(source, e.getOriginalMessage());
        }
        if (json == null || !json.isObject()) {
            throw refused(source, "an object is needed");
        }
        for (String name : json.propertyNames()) {
            if (!List.of(TYPE, START, ATTRIBUTES).contains(name)) {
                throw refused(source, "unknown field '" + name + "'");
            }
        }
        String type = json.path(TYPE).asString("");
        if (type.isEmpty()) {
            throw refused(source, TYPE + " is missing");
        }
        String start = json.path(START).asString(MANUAL);
        if (!start.equals(AUTO) && !start.equals(MANUAL)) {
            throw refused(source, START + " '" + start + "': there is " + AUTO + " and " + MANUAL);
        }
        return new MdevDefinition(parent, uuid, type, start.equals(AUTO), attributes(source, json.path(ATTRIBUTES)));
    }

    /** A list of objects with one field each. */
    public static List<MdevDefinition.Attribute> attributes(String source, JsonNode list) {
        List<MdevDefinition.Attribute> found = new ArrayList<>();
        if (!list.isMissingNode() && !list.isArray()) {
            throw refused(source, ATTRIBUTES + " is no list");
        }
        for (JsonNode each : list) {
            if (!each.isObject() || each.size() != 1) {
                throw refused(source, ATTRIBUTES + " has an element that is not {\"name\": \"value\"}: " + each);
            }
            each.properties().forEach(field -> {
                if (!field.getValue().isString()) {
                    throw refused(source, "attribute " + field.getKey() + " has a value that is no string");
                }
                found.add(new MdevDefinition.Attribute(
                        field.getKey(), field.getValue().asString()));
            });
        }
        return found;
    }

    private static ErrnoException refused(String source, String why) {
        return new ErrnoException(EINVAL, source + ": " + why);
    }
}
