package org.vfio4j.cli.guest;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.util.List;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a process that runs a guest is asked, as one line of JSON.
 *
 * @param kind {@link #STATUS}, {@link #MIGRATE}, {@link #CANCEL} or {@link #RESUME}
 * @param destination for MIGRATE, as {@code tcp:HOST:PORT}
 * @param maxDowntimeMs for MIGRATE
 * @param timeoutMs for MIGRATE
 * @param storage for MIGRATE: {@link #SHARED} or {@link #COPY}
 * @param tls for MIGRATE: files that the process reads
 */
record GuestRequest(
        String kind, String destination, double maxDowntimeMs, double timeoutMs, String storage, MigrationTls tls) {

    static final String STATUS = "GuestStatus";
    static final String MIGRATE = "Migrate";
    static final String CANCEL = "CancelMigration";
    static final String RESUME = "ResumeGuest";

    /** Both sides have the same storage. */
    static final String SHARED = "shared";

    /** The storage moves with the guest. */
    static final String COPY = "copy";

    private static final List<String> KINDS = List.of(STATUS, MIGRATE, CANCEL, RESUME);
    private static final double MAX_MS = 86_400_000;

    GuestRequest {
        if (kind.equals(MIGRATE)
                && !(maxDowntimeMs > 0 && maxDowntimeMs <= MAX_MS && timeoutMs > 0 && timeoutMs <= MAX_MS)) {
            throw new ErrnoException(
                    EINVAL, "downtime of " + maxDowntimeMs + " ms, timeout of " + timeoutMs + " ms: at most a day");
        }
        if (!storage.equals(SHARED) && !storage.equals(COPY)) {
            throw new ErrnoException(EINVAL, "storage '" + storage + "': there are " + SHARED + " and " + COPY);
        }
    }

    static GuestRequest of(String kind) {
        return new GuestRequest(kind, "", 0, 0, SHARED, new MigrationTls("", "", ""));
    }

    /**
     * @throws tools.jackson.core.JacksonException when it is no JSON
     * @throws ErrnoException when it is no request
     */
    static GuestRequest parse(String line) {
        JsonNode tree = Json.MAPPER.readTree(line);
        String version = tree.path("apiVersion").asString("");
        if (!version.equals(Output.API_VERSION)) {
            throw new ErrnoException(EPROTONOSUPPORT, "apiVersion '" + version + "': there is " + Output.API_VERSION);
        }
        String kind = tree.path("kind").asString("");
        if (!KINDS.contains(kind)) {
            throw new ErrnoException(EOPNOTSUPP, "request '" + kind + "': there are " + String.join(", ", KINDS));
        }
        JsonNode tls = tree.path("tls");
        return new GuestRequest(
                kind,
                tree.path("destination").asString(""),
                tree.path("maxDowntimeMs").asDouble(0),
                tree.path("timeoutMs").asDouble(0),
                tree.path("storage").asString(SHARED),
                new MigrationTls(
                        tls.path("keystore").asString(""),
                        tls.path("truststore").asString(""),
                        tls.path("passwordFile").asString("")));
    }

    /** As it is sent. */
    String line() {
        return new JsonWriter()
                .object()
                .field("apiVersion", Output.API_VERSION)
                .field("kind", kind)
                .field("destination", destination)
                .field("maxDowntimeMs", maxDowntimeMs)
                .field("timeoutMs", timeoutMs)
                .field("storage", storage)
                .object("tls")
                .field("keystore", tls.keystore())
                .field("truststore", tls.truststore())
                .field("passwordFile", tls.passwordFile())
                .end()
                .end()
                .toString();
    }

    private static final class Json {
        static final JsonMapper MAPPER = JsonMapper.builder().build();
    }
}
