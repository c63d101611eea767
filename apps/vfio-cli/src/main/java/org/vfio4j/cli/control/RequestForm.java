package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.JsonNode;

/**
 * The form of the requests that are records of a type: of which kinds they are, and how they are read and written. A field that is not
 * known is an error. Any thread may use it.
 *
 * @param <T> has a component {@code kind}, and others of the types in {@link RequestType}
 */
final class RequestForm<T extends Record & Request> {

    static final String API_VERSION = "apiVersion";
    static final String KIND = "kind";

    private final Class<T> type;
    private final boolean needsAll;
    private final List<String> kinds;

    private RequestForm(Class<T> type, boolean needsAll, List<String> kinds) {
        this.type = type;
        this.needsAll = needsAll;
        this.kinds = kinds;
    }

    /** One whose requests have all fields. */
    static <T extends Record & Request> RequestForm<T> needingAll(Class<T> type, String... kinds) {
        return new RequestForm<>(type, true, List.of(kinds));
    }

    /** One in which a field that is absent or null is empty: 0, false, a text or list of nothing. */
    static <T extends Record & Request> RequestForm<T> of(Class<T> type, String... kinds) {
        return new RequestForm<>(type, false, List.of(kinds));
    }

    List<String> kinds() {
        return kinds;
    }

    /** All that a request may have, the version included. */
    List<String> fieldNames() {
        return Stream.concat(Stream.of(API_VERSION), fields().stream().map(RequestField::name))
                .toList();
    }

    /**
     * The request that an object is.
     *
     * @throws ErrnoException EINVAL for a field that is missing, not known, or makes no sense
     */
    T parse(JsonNode object) {
        List<String> known = fieldNames();
        for (String name : object.propertyNames()) {
            if (!known.contains(name)) {
                throw new ErrnoException(
                        EINVAL, "a request with the field '" + name + "': there are " + String.join(", ", known));
            }
        }
        List<RequestField> fields = fields();
        return make(
                fields,
                fields.stream().map(field -> field.read(object, needsAll)).toArray());
    }

    /**
     * As it is sent.
     *
     * @param without fields that are left out, in a form that does not need them
     */
    String line(T request, Set<String> without) {
        JsonWriter json = new JsonWriter().object().field(API_VERSION, Output.API_VERSION);
        fields().stream().filter(field -> !without.contains(field.name())).forEach(field -> field.write(json, request));
        return json.end().toString();
    }

    // Looked up anew: most processes that serve never get a request.
    private List<RequestField> fields() {
        return Arrays.stream(type.getRecordComponents()).map(RequestField::of).toList();
    }

    private T make(List<RequestField> fields, Object[] values) {
        try {
            Constructor<T> constructor = type.getDeclaredConstructor(
                    fields.stream().map(RequestField::type).toArray(Class<?>[]::new));
            return constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException refused) {
                throw refused;
            }
            throw new IllegalStateException(e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
