package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EINVAL;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a serving process is asked to do, as one line of JSON.
 *
 * @param apiVersion {@code vfio4j/v1}
 * @param kind {@link #BIND}, {@link #UNBIND}, {@link #SHOW} or {@link #STATISTICS}
 * @param address the function's, as {@code 0000:00:01.0}, or an auxiliary device's name; for STATISTICS empty for all
 * @param driver for BIND: its VFIO driver, empty for the one that knows it best
 * @param timeoutMs for UNBIND: how long to wait for its user, up to {@value #MAX_TIMEOUT_MS}
 * @param queues for STATISTICS: whether each queue is told by itself too
 */
record ControlRequest(String apiVersion, String kind, String address, String driver, long timeoutMs, boolean queues) {

    static final String BIND = "Bind";
    static final String UNBIND = "Unbind";
    static final String SHOW = "Show";
    static final String STATISTICS = "Statistics";

    static final List<String> KINDS = List.of(BIND, UNBIND, SHOW, STATISTICS);

    /** The whole request of a process that wants to take over; what follows is {@link UpgradeSource}'s. */
    static final String UPGRADE = "{\"apiVersion\":\"" + Output.API_VERSION + "\",\"kind\":\"Upgrade\"}";

    /** The kind of a reply that says what failed. */
    static final String ERROR = "Error";

    static final long MAX_TIMEOUT_MS = 3_600_000;

    ControlRequest {
        if (timeoutMs < 0 || timeoutMs > MAX_TIMEOUT_MS) {
            throw new ErrnoException(EINVAL, "timeoutMs " + timeoutMs + ": the limits are 0 and " + MAX_TIMEOUT_MS);
        }
    }

    /** Made at the first request: most processes that serve never get one. */
    private static final class Json {
        static final ObjectMapper STRICT = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .disable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .changeDefaultNullHandling(nulls -> JsonSetter.Value.forValueNulls(Nulls.AS_EMPTY))
                .build();
    }

    static ControlRequest bind(String address, String driver) {
        return new ControlRequest(Output.API_VERSION, BIND, address, driver, 0, false);
    }

    static ControlRequest unbind(String address, long timeoutMs) {
        return new ControlRequest(Output.API_VERSION, UNBIND, address, "", timeoutMs, false);
    }

    static ControlRequest statistics(String address, boolean queues) {
        return new ControlRequest(Output.API_VERSION, STATISTICS, address, "", 0, queues);
    }

    static ControlRequest show(String address) {
        return new ControlRequest(Output.API_VERSION, SHOW, address, "", 0, false);
    }

    /**
     * @throws tools.jackson.core.JacksonException when it is no request, or has fields that are not known
     * @throws ErrnoException EINVAL for {@code null}
     */
    static ControlRequest parse(String line) {
        ControlRequest request = Json.STRICT.readValue(line, ControlRequest.class);
        if (request == null) {
            throw new ErrnoException(EINVAL, "a request that is none: null");
        }
        return request;
    }

    /** As it is sent. */
    String line() {
        JsonWriter json = new JsonWriter()
                .object()
                .field("apiVersion", apiVersion)
                .field("kind", kind)
                .field("address", address);
        if (kind.equals(STATISTICS)) {
            json.field("queues", queues);
        } else {
            // Older processes refuse fields that they do not know.
            json.field("driver", driver).field("timeoutMs", timeoutMs);
        }
        return json.end().toString();
    }
}
