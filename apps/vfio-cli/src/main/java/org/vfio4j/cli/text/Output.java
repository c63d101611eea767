package org.vfio4j.cli.text;

import java.util.List;
import java.util.function.BiConsumer;
import tools.jackson.databind.json.JsonMapper;

/** The JSON that commands print: one envelope for all, which only ever gains fields. */
public final class Output {

    /** How data is printed. */
    enum Format {
        TABLE,
        JSON
    }

    public static final String API_VERSION = "vfio4j/v1";

    private Output() {}

    /** {@code {"apiVersion": ..., "kind": ..., "items": [...]}}, without a line end. */
    public static String json(String kind, List<?> items) {
        return json(new Envelope(API_VERSION, kind, items));
    }

    /** The same of functions, with mediated devices in {@code mdevs} beside them. */
    public static String json(List<?> functions, List<?> mdevs) {
        return json(new Devices(API_VERSION, "Function", functions, mdevs));
    }

    private static String json(Object value) {
        return JsonMapper.builder().build().writerWithDefaultPrettyPrinter().writeValueAsString(value);
    }

    /**
     * The same on one line, without a library.
     *
     * @param item writes one
     */
    public static <T> String jsonLine(String kind, List<T> items, BiConsumer<T, JsonWriter> item) {
        JsonWriter json = new JsonWriter();
        json.object().field("apiVersion", API_VERSION).field("kind", kind).array("items");
        items.forEach(each -> item.accept(each, json));
        return json.endArray().end().toString();
    }

    record Envelope(String apiVersion, String kind, List<?> items) {}

    record Devices(String apiVersion, String kind, List<?> items, List<?> mdevs) {}
}
