package org.vfio4j.cli.guest;

import java.util.Optional;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.cli.text.Output;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A request for what the disks of a function stand on, as one line of JSON; what follows is {@code StorageCopies}'.
 *
 * @param kind {@link #READ} or {@link #WRITE}
 * @param socket where the function is served
 */
public record StorageRequest(String kind, String socket) {

    /** To copy it while it is used, with word of what is written meanwhile. */
    public static final String READ = "ReadStorage";

    /** To overwrite it while nobody uses it. */
    static final String WRITE = "WriteStorage";

    private static final class Json {
        static final JsonMapper MAPPER = JsonMapper.builder().build();
    }

    /** Empty for another request, or for what is none. */
    public static Optional<StorageRequest> find(String line) {
        if (!line.contains(READ) && !line.contains(WRITE)) {
            return Optional.empty();
        }
        try {
            JsonNode tree = Json.MAPPER.readTree(line);
            String kind = tree.path("kind").asString("");
            boolean known = tree.path("apiVersion").asString("").equals(Output.API_VERSION)
                    && (kind.equals(READ) || kind.equals(WRITE));
            return known
                    ? Optional.of(new StorageRequest(kind, tree.path("socket").asString("")))
                    : Optional.empty();
        } catch (JacksonException e) {
            return Optional.empty();
        }
    }

    /** As it is sent. */
    String line() {
        return new JsonWriter()
                .object()
                .field("apiVersion", Output.API_VERSION)
                .field("kind", kind)
                .field("socket", socket)
                .end()
                .toString();
    }
}
