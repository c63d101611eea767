package org.vfio4j.cli;

import java.util.List;
import tools.jackson.databind.json.JsonMapper;

/** The JSON that commands print: one envelope for all, which only ever gains fields. */
final class Output {

    /** How data is printed. */
    enum Format {
        TABLE,
        JSON
    }

    private static final String API_VERSION = "vfio4j/v1";

    private Output() {}

    /** {@code {"apiVersion": ..., "kind": ..., "items": [...]}}, without a line end. */
    static String json(String kind, List<?> items) {
        return JsonMapper.builder()
                .build()
                .writerWithDefaultPrettyPrinter()
                .writeValueAsString(new Envelope(API_VERSION, kind, items));
    }

    /** The same on one line, for streams of events. */
    static String jsonLine(String kind, List<?> items) {
        return JsonMapper.builder().build().writeValueAsString(new Envelope(API_VERSION, kind, items));
    }

    record Envelope(String apiVersion, String kind, List<?> items) {}
}
