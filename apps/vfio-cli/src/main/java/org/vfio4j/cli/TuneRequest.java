package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A request to change a device while it is used, as one line of JSON.
 *
 * @param apiVersion {@code vfio4j/v1}
 * @param kind {@link #RESIZE} or {@link #LIMIT}
 * @param address the function's, as {@code 0000:00:01.0}
 * @param namespace for RESIZE: an NSID; 0 for a device that has one storage
 * @param sizeBytes for RESIZE
 * @param iops for LIMIT: as {@link DeviceTuning#limit}
 * @param bandwidth for LIMIT, in bytes in a second
 */
record TuneRequest(
        String apiVersion, String kind, String address, int namespace, long sizeBytes, long iops, long bandwidth) {

    static final String RESIZE = "Resize";
    static final String LIMIT = "Limit";

    /** {@link #namespace} of a device that has one storage. */
    static final int NO_NAMESPACE = 0;

    private static final List<String> KINDS = List.of(RESIZE, LIMIT);

    /** Made at the first request: most processes that serve never get one. */
    private static final class Json {
        static final JsonMapper STRICT = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .build();
    }

    static TuneRequest resize(String address, int namespace, long sizeBytes) {
        return new TuneRequest(
                Output.API_VERSION,
                RESIZE,
                address,
                namespace,
                sizeBytes,
                DeviceTuning.UNCHANGED,
                DeviceTuning.UNCHANGED);
    }

    static TuneRequest limit(String address, long iops, long bandwidth) {
        return new TuneRequest(Output.API_VERSION, LIMIT, address, NO_NAMESPACE, 0, iops, bandwidth);
    }

    /**
     * Empty for a request of another kind.
     *
     * @throws tools.jackson.core.JacksonException when it is none, or one of these with fields that are missing or not known
     * @throws ErrnoException EPROTONOSUPPORT for another version
     */
    static Optional<TuneRequest> find(String line) {
        JsonNode tree = Json.STRICT.readTree(line);
        if (tree == null || !KINDS.contains(tree.path("kind").asString(""))) {
            return Optional.empty();
        }
        TuneRequest request = Json.STRICT.treeToValue(tree, TuneRequest.class);
        if (!Output.API_VERSION.equals(request.apiVersion)) {
            throw new ErrnoException(
                    EPROTONOSUPPORT, "apiVersion '" + request.apiVersion + "': there is " + Output.API_VERSION);
        }
        return Optional.of(request);
    }

    void perform(DeviceTuning device) {
        if (kind.equals(RESIZE) && namespace == NO_NAMESPACE) {
            device.resize(sizeBytes);
        } else if (kind.equals(RESIZE)) {
            device.resize(namespace, sizeBytes);
        } else {
            device.limit(iops, bandwidth);
        }
    }

    /** As it is sent. */
    String line() {
        return new JsonWriter()
                .object()
                .field("apiVersion", apiVersion)
                .field("kind", kind)
                .field("address", address)
                .field("namespace", namespace)
                .field("sizeBytes", sizeBytes)
                .field("iops", iops)
                .field("bandwidth", bandwidth)
                .end()
                .toString();
    }
}
