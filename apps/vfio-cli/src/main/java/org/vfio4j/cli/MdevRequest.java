package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.List;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a serving process is asked to do about mdevs, as one line of JSON.
 *
 * @param kind {@link #TYPES}, {@link #LIST}, {@link #START} or {@link #STOP}
 * @param uuid for START and STOP
 * @param parent for START
 * @param type for START
 * @param socket for START: where it is served, an absolute path
 * @param attributes for START: set one after the other
 * @param timeoutMs for STOP: how long to wait for its user
 */
record MdevRequest(
        String kind,
        String uuid,
        String parent,
        String type,
        String socket,
        List<MdevDefinition.Attribute> attributes,
        long timeoutMs) {

    static final String TYPES = "MdevTypes";
    static final String LIST = "MdevList";
    static final String START = "MdevStart";
    static final String STOP = "MdevStop";

    /** The whole line by which a client asks to be told what happens, see {@link MdevEvents}. */
    static final String MONITOR_LINE = "{\"apiVersion\":\"" + Output.API_VERSION + "\",\"kind\":\"MdevMonitor\"}";

    private static final String PREFIX = "Mdev";
    private static final JsonMapper JSON = JsonMapper.builder().build();

    MdevRequest {
        if (timeoutMs < 0 || timeoutMs > ControlRequest.MAX_TIMEOUT_MS) {
            throw new ErrnoException(
                    EINVAL, "timeoutMs " + timeoutMs + ": the limits are 0 and " + ControlRequest.MAX_TIMEOUT_MS);
        }
    }

    static MdevRequest ask(String kind) {
        return new MdevRequest(kind, "", "", "", "", List.of(), 0);
    }

    static MdevRequest start(MdevDefinition definition, String socket) {
        return new MdevRequest(
                START,
                definition.uuid().toString(),
                definition.parent(),
                definition.type(),
                socket,
                definition.attributes(),
                0);
    }

    static MdevRequest stop(String uuid, long timeoutMs) {
        return new MdevRequest(STOP, uuid, "", "", "", List.of(), timeoutMs);
    }

    /** Whether something is different once it is done. */
    boolean changes() {
        return kind.equals(START) || kind.equals(STOP);
    }

    /** Whether a line is a request about mdevs, well formed or not. */
    static boolean isOne(String line) {
        try {
            return JSON.readTree(line).path("kind").asString("").startsWith(PREFIX);
        } catch (JacksonException e) {
            return false;
        }
    }

    /**
     * @param line of which {@link #isOne} says so
     * @throws ErrnoException EINVAL for a field that is not known or makes no sense
     */
    static MdevRequest parse(String line) {
        JsonNode json = JSON.readTree(line);
        List<String> known = List.of("apiVersion", "kind", "uuid", "parent", "type", "socket", "attrs", "timeoutMs");
        for (String name : json.propertyNames()) {
            if (!known.contains(name)) {
                throw new ErrnoException(EINVAL, "a request with an unknown field '" + name + "'");
            }
        }
        String version = text(json, "apiVersion");
        if (!version.equals(Output.API_VERSION)) {
            throw new ErrnoException(EINVAL, "apiVersion '" + version + "': there is " + Output.API_VERSION);
        }
        return new MdevRequest(
                text(json, "kind"),
                text(json, "uuid"),
                text(json, "parent"),
                text(json, "type"),
                text(json, "socket"),
                MdevFile.attributes("the request", json.path("attrs")),
                json.path("timeoutMs").asLong(0));
    }

    /** As it is sent. */
    String line() {
        JsonWriter json = new JsonWriter();
        json.object().field("apiVersion", Output.API_VERSION).field("kind", kind);
        json.field("uuid", uuid).field("parent", parent).field("type", type);
        json.field("socket", socket).array("attrs");
        for (MdevDefinition.Attribute attribute : attributes) {
            json.object().field(attribute.name(), attribute.value()).end();
        }
        return json.endArray().field("timeoutMs", timeoutMs).end().toString();
    }

    private static String text(JsonNode json, String name) {
        return json.path(name).asString("");
    }
}
