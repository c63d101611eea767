package org.vfio4j.cli.control;

import java.lang.reflect.Type;
import java.util.Arrays;
import java.util.List;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevFile;
import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.JsonNode;

/** A type that a field of a request can have: what it is in a record, and in JSON. */
enum RequestType {
    TEXT("java.lang.String", "a string", "") {
        @Override
        boolean takes(JsonNode value) {
            return value.isString();
        }

        @Override
        Object read(JsonNode value) {
            return value.asString();
        }

        @Override
        void write(JsonWriter json, String name, Object value) {
            json.field(name, (String) value);
        }
    },
    INT("int", "a whole number of 32 bits", 0) {
        @Override
        boolean takes(JsonNode value) {
            return value.isIntegralNumber() && value.canConvertToInt();
        }

        @Override
        Object read(JsonNode value) {
            return value.asInt();
        }

        @Override
        void write(JsonWriter json, String name, Object value) {
            json.field(name, (int) value);
        }
    },
    LONG("long", "a whole number of 64 bits", 0L) {
        @Override
        boolean takes(JsonNode value) {
            return value.isIntegralNumber() && value.canConvertToLong();
        }

        @Override
        Object read(JsonNode value) {
            return value.asLong();
        }

        @Override
        void write(JsonWriter json, String name, Object value) {
            json.field(name, (long) value);
        }
    },
    FLAG("boolean", "true or false", false) {
        @Override
        boolean takes(JsonNode value) {
            return value.isBoolean();
        }

        @Override
        Object read(JsonNode value) {
            return value.asBoolean();
        }

        @Override
        void write(JsonWriter json, String name, Object value) {
            json.field(name, (boolean) value);
        }
    },
    TEXTS("java.util.List<java.lang.String>", "an array of strings", List.of()) {
        @Override
        boolean takes(JsonNode value) {
            return value.isArray() && value.valueStream().allMatch(JsonNode::isString);
        }

        @Override
        Object read(JsonNode value) {
            return value.valueStream().map(JsonNode::asString).toList();
        }

        @Override
        void write(JsonWriter json, String name, Object value) {
            json.array(name);
            ((List<?>) value).forEach(text -> json.element((String) text));
            json.endArray();
        }
    },

    /** Of an mdev, in their order: an array of objects with one field each. */
    ATTRIBUTES("java.util.List<org.vfio4j.cli.mdev.MdevDefinition$Attribute>", "an array", List.of()) {
        @Override
        boolean takes(JsonNode value) {
            return value.isArray();
        }

        @Override
        Object read(JsonNode value) {
            return MdevFile.attributes("the request", value);
        }

        @Override
        void write(JsonWriter json, String name, Object value) {
            json.array(name);
            for (Object each : (List<?>) value) {
                MdevDefinition.Attribute attribute = (MdevDefinition.Attribute) each;
                json.object().field(attribute.name(), attribute.value()).end();
            }
            json.endArray();
        }
    };

    private final String inRecord;
    private final String inJson;
    private final Object nothing;

    RequestType(String inRecord, String inJson, Object nothing) {
        this.inRecord = inRecord;
        this.inJson = inJson;
        this.nothing = nothing;
    }

    /** @throws IllegalArgumentException for a type that no request has */
    static RequestType of(Type ofComponent) {
        return Arrays.stream(values())
                .filter(type -> type.inRecord.equals(ofComponent.getTypeName()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("a request with a " + ofComponent.getTypeName()));
    }

    /** What there must be in JSON, for messages. */
    String description() {
        return inJson;
    }

    /** What a field is that is not there. */
    Object nothing() {
        return nothing;
    }

    abstract boolean takes(JsonNode value);

    /** @param value that it takes */
    abstract Object read(JsonNode value);

    abstract void write(JsonWriter json, String name, Object value);
}
