package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.reflect.RecordComponent;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.JsonNode;

/** A field of a request: a component of its record, and what is in JSON for its type. */
record RequestField(RecordComponent component, RequestType in) {

    static RequestField of(RecordComponent component) {
        return new RequestField(component, RequestType.of(component.getGenericType()));
    }

    String name() {
        return component.getName();
    }

    /** Of the component. */
    Class<?> type() {
        return component.getType();
    }

    /**
     * Its value in an object.
     *
     * @param needed whether it must be there
     * @throws ErrnoException EINVAL
     */
    Object read(JsonNode object, boolean needed) {
        JsonNode value = object.path(name());
        if (value.isMissingNode() || value.isNull()) {
            if (needed) {
                throw new ErrnoException(EINVAL, "a request without the field '" + name() + "'");
            }
            return in.nothing();
        }
        if (!in.takes(value)) {
            throw new ErrnoException(
                    EINVAL, "a request's field '" + name() + "': " + in.description() + " is needed, not " + value);
        }
        return in.read(value);
    }

    void write(JsonWriter json, Object request) {
        try {
            in.write(json, name(), component.getAccessor().invoke(request));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
