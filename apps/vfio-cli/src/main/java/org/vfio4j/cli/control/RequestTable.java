package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Which requests a process takes, and who answers each. It is filled by one thread, and used by any. */
final class RequestTable {

    /** Made at the first request: most processes that serve never get one. */
    private static final class Json {
        static final JsonMapper STRICT = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .build();
    }

    private record Entry<T extends Record & Request>(RequestForm<T> form, Function<T, String> answer) {
        String apply(JsonNode object) {
            return answer.apply(form.parse(object));
        }
    }

    private final List<Entry<?>> entries = new ArrayList<>();

    /**
     * Adds a form.
     *
     * @param answer makes the reply, a line of JSON, to a request
     */
    <T extends Record & Request> RequestTable on(RequestForm<T> form, Function<T, String> answer) {
        entries.add(new Entry<>(form, answer));
        return this;
    }

    /**
     * The reply to a request, as whoever answers it makes it.
     *
     * @throws JacksonException when it is no JSON
     * @throws ErrnoException EINVAL when it is no object, or one with a field that is missing, not known or makes no sense;
     *     EPROTONOSUPPORT for another version; EOPNOTSUPP for a kind that is not known
     */
    String answer(String line) {
        JsonNode request = Json.STRICT.readTree(line);
        if (request == null || !request.isObject()) {
            throw new ErrnoException(EINVAL, "a request that is none: an object is needed");
        }
        String version = request.path(RequestForm.API_VERSION).asString("");
        if (!version.equals(Output.API_VERSION)) {
            throw new ErrnoException(EPROTONOSUPPORT, "apiVersion '" + version + "': there is " + Output.API_VERSION);
        }
        String kind = request.path(RequestForm.KIND).asString("");
        return entries.stream()
                .filter(entry -> entry.form().kinds().contains(kind))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(
                        EOPNOTSUPP, "request '" + kind + "': there are " + String.join(", ", kinds())))
                .apply(request);
    }

    private List<String> kinds() {
        return entries.stream().flatMap(entry -> entry.form().kinds().stream()).toList();
    }
}
