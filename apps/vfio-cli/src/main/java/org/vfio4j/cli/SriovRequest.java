package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.time.Duration;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A request to turn virtual functions on or off, as one line of JSON.
 *
 * @param apiVersion {@code vfio4j/v1}
 * @param kind {@link #KIND}
 * @param address the physical function's
 * @param numVfs how many are to be on
 * @param timeoutMs how long to wait for the users of those that go, up to {@value ControlRequest#MAX_TIMEOUT_MS}
 */
record SriovRequest(String apiVersion, String kind, String address, int numVfs, long timeoutMs) {

    static final String KIND = "SetNumVfs";

    SriovRequest {
        if (timeoutMs < 0 || timeoutMs > ControlRequest.MAX_TIMEOUT_MS) {
            throw new ErrnoException(
                    EINVAL, "timeoutMs " + timeoutMs + ": the limits are 0 and " + ControlRequest.MAX_TIMEOUT_MS);
        }
    }

    /** Made at the first request: most processes that serve never get one. */
    private static final class Json {
        static final JsonMapper STRICT = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .build();
    }

    static SriovRequest of(String address, int numVfs, long timeoutMs) {
        return new SriovRequest(Output.API_VERSION, KIND, address, numVfs, timeoutMs);
    }

    /**
     * Empty for a request of another kind.
     *
     * @throws tools.jackson.core.JacksonException when it is none, or one of these with fields that are missing or not known
     * @throws ErrnoException EPROTONOSUPPORT for another version
     */
    static Optional<SriovRequest> find(String line) {
        JsonNode tree = Json.STRICT.readTree(line);
        if (tree == null || !KIND.equals(tree.path("kind").asString(""))) {
            return Optional.empty();
        }
        SriovRequest request = Json.STRICT.treeToValue(tree, SriovRequest.class);
        if (!Output.API_VERSION.equals(request.apiVersion)) {
            throw new ErrnoException(
                    EPROTONOSUPPORT, "apiVersion '" + request.apiVersion + "': there is " + Output.API_VERSION);
        }
        return Optional.of(request);
    }

    void perform(Machine machine, MachineFunction function) {
        machine.virtuals().set(function, numVfs, Duration.ofMillis(timeoutMs));
    }

    /** As it is sent. */
    String line() {
        return new JsonWriter()
                .object()
                .field("apiVersion", apiVersion)
                .field("kind", kind)
                .field("address", address)
                .field("numVfs", numVfs)
                .field("timeoutMs", timeoutMs)
                .end()
                .toString();
    }
}
