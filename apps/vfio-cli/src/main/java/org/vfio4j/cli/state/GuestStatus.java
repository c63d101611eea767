package org.vfio4j.cli.state;

import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a process tells of the guest that it runs. Fields are only ever added.
 *
 * @param pid the process
 * @param socket of its device
 * @param memoryBytes that it has
 * @param reads requests of its disk that it has seen completed
 * @param writes likewise
 * @param pages of its memory that it has written
 * @param moves how often it went on elsewhere
 * @param migration of the last one
 */
public record GuestStatus(
        long pid,
        String socket,
        long memoryBytes,
        long reads,
        long writes,
        long pages,
        long moves,
        Migration migration) {

    /** No migration yet. */
    static final String NONE = "NONE";

    /** One is under way. */
    public static final String MOVING = "MOVING";

    /** The guest is gone. */
    public static final String MOVED = "MOVED";

    /** The guest runs here, see {@link Migration#message}. */
    public static final String FAILED = "FAILED";

    /** The guest is stopped here, and may run there. */
    public static final String IN_DOUBT = "IN_DOUBT";

    /**
     * How far a migration is.
     *
     * @param phase one of the above
     * @param round as in {@link org.vfio4j.userspace.vmm.MigrationProgress}, as are the next six; the downtime is negative while it is not known
     * @param downtimeMs when it is MOVED
     * @param totalMs when it is MOVED
     * @param errno when it is FAILED
     * @param message when it is FAILED or IN_DOUBT
     */
    public record Migration(
            String phase,
            long round,
            long sentBytes,
            long leftBytes,
            long storageLeftBytes,
            double bytesPerSecond,
            double dirtyBytesPerSecond,
            double expectedDowntimeMs,
            double downtimeMs,
            double totalMs,
            long errno,
            String message) {

        public static final Migration NOT_YET = of(NONE, 0, "");

        public static Migration of(String phase, int errno, String message) {
            return new Migration(phase, 0, 0, 0, 0, 0, 0, 0, 0, 0, errno, message);
        }

        void write(JsonWriter json) {
            json.object("migration")
                    .field("phase", phase)
                    .field("round", round)
                    .field("sentBytes", sentBytes)
                    .field("leftBytes", leftBytes)
                    .field("storageLeftBytes", storageLeftBytes)
                    .field("bytesPerSecond", bytesPerSecond)
                    .field("dirtyBytesPerSecond", dirtyBytesPerSecond)
                    .field("expectedDowntimeMs", expectedDowntimeMs)
                    .field("downtimeMs", downtimeMs)
                    .field("totalMs", totalMs)
                    .field("errno", errno)
                    .field("message", message)
                    .end();
        }

        static Migration parse(JsonNode json) {
            return new Migration(
                    json.path("phase").asString(NONE),
                    json.path("round").asLong(0),
                    json.path("sentBytes").asLong(0),
                    json.path("leftBytes").asLong(0),
                    json.path("storageLeftBytes").asLong(0),
                    json.path("bytesPerSecond").asDouble(0),
                    json.path("dirtyBytesPerSecond").asDouble(0),
                    json.path("expectedDowntimeMs").asDouble(0),
                    json.path("downtimeMs").asDouble(0),
                    json.path("totalMs").asDouble(0),
                    json.path("errno").asLong(0),
                    json.path("message").asString(""));
        }
    }

    public void write(JsonWriter json) {
        json.object()
                .field("pid", pid)
                .field("socket", socket)
                .field("memoryBytes", memoryBytes)
                .field("reads", reads)
                .field("writes", writes)
                .field("pages", pages)
                .field("moves", moves);
        migration.write(json);
        json.end();
    }

    static GuestStatus parse(String json) {
        return parse(JsonMapper.builder().build().readTree(json));
    }

    public static GuestStatus parse(JsonNode json) {
        return new GuestStatus(
                json.path("pid").asLong(0),
                json.path("socket").asString(""),
                json.path("memoryBytes").asLong(0),
                json.path("reads").asLong(0),
                json.path("writes").asLong(0),
                json.path("pages").asLong(0),
                json.path("moves").asLong(0),
                Migration.parse(json.path("migration")));
    }
}
