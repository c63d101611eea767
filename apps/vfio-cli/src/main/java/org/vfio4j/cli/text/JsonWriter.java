package org.vfio4j.cli.text;

import java.math.BigDecimal;
import java.util.List;

/** Writes JSON on one line without a library, which a process that starts to serve has no time to load. */
public final class JsonWriter {

    private final StringBuilder text = new StringBuilder();

    /** Begins an object: the whole text, or an element of an array. */
    public JsonWriter object() {
        separate().append('{');
        return this;
    }

    public JsonWriter end() {
        text.append('}');
        return this;
    }

    public JsonWriter array(String name) {
        name(name).append('[');
        return this;
    }

    public JsonWriter endArray() {
        text.append(']');
        return this;
    }

    public JsonWriter object(String name) {
        name(name).append('{');
        return this;
    }

    public JsonWriter field(String name, String value) {
        quote(name(name), value);
        return this;
    }

    public JsonWriter field(String name, long value) {
        name(name).append(value);
        return this;
    }

    /** @param value finite */
    public JsonWriter field(String name, double value) {
        name(name).append(BigDecimal.valueOf(value).stripTrailingZeros().toPlainString());
        return this;
    }

    public JsonWriter field(String name, boolean value) {
        name(name).append(value);
        return this;
    }

    public JsonWriter field(String name, long[] values) {
        array(name);
        for (long value : values) {
            separate().append(value);
        }
        return endArray();
    }

    public JsonWriter field(String name, List<String> values) {
        array(name);
        values.forEach(this::element);
        return endArray();
    }

    /** A string in an array. */
    public JsonWriter element(String value) {
        quote(separate(), value);
        return this;
    }

    @Override
    public String toString() {
        return text.toString();
    }

    private StringBuilder name(String name) {
        return quote(separate(), name).append(':');
    }

    private StringBuilder separate() {
        boolean first = text.isEmpty() || "{[".indexOf(text.charAt(text.length() - 1)) >= 0;
        return first ? text : text.append(',');
    }

    private static StringBuilder quote(StringBuilder text, String value) {
        text.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                text.append('\\').append(c);
            } else if (c < 0x20 || Character.isSurrogate(c)) {
                // Half a pair, as in the name of a file that is no text, could not be encoded otherwise.
                text.append("\\u").append(Integer.toHexString(0x1_0000 | c), 1, 5);
            } else {
                text.append(c);
            }
        }
        return text.append('"');
    }
}
