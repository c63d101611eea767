package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.ErrnoException;

/**
 * A strict reader of JSON (RFC 8259) for text that a peer sends: bounded in size and depth, nothing but white space around the
 * value. Of two members with one name the later counts.
 */
final class JsonParser {

    /** The longest text that is read; real capabilities take about 200 bytes. */
    static final int MAX_LENGTH = 16 * 1024;

    private static final int MAX_DEPTH = 16;
    private static final int MAX_NUMBER_LENGTH = 40;

    private final String text;
    private int at;

    private JsonParser(String text) {
        this.text = text;
    }

    /** @throws ErrnoException EINVAL when {@code text} is not one JSON value within the limits */
    static Json parse(String text) {
        if (text.length() > MAX_LENGTH) {
            throw new ErrnoException(EINVAL, "JSON of " + text.length() + " characters: the limit is " + MAX_LENGTH);
        }
        JsonParser parser = new JsonParser(text);
        parser.skipSpace();
        Json value = parser.value(0);
        parser.skipSpace();
        if (parser.at != text.length()) {
            throw parser.wrong("something follows the value");
        }
        return value;
    }

    private Json value(int depth) {
        if (depth > MAX_DEPTH) {
            throw wrong("deeper than " + MAX_DEPTH);
        }
        return switch (peek()) {
            case '{' -> object(depth);
            case '[' -> array(depth);
            case '"' -> new Json.Str(string());
            case 't' -> word("true", new Json.Bool(true));
            case 'f' -> word("false", new Json.Bool(false));
            case 'n' -> word("null", new Json.Null());
            default -> number();
        };
    }

    private Json object(int depth) {
        Map<String, Json> members = new HashMap<>();
        expect('{');
        skipSpace();
        if (accept('}')) {
            return new Json.Obj(members);
        }
        do {
            skipSpace();
            String name = string();
            skipSpace();
            expect(':');
            skipSpace();
            members.put(name, value(depth + 1));
            skipSpace();
        } while (accept(','));
        expect('}');
        return new Json.Obj(members);
    }

    private Json array(int depth) {
        List<Json> elements = new ArrayList<>();
        expect('[');
        skipSpace();
        if (accept(']')) {
            return new Json.Arr(elements);
        }
        do {
            skipSpace();
            elements.add(value(depth + 1));
            skipSpace();
        } while (accept(','));
        expect(']');
        return new Json.Arr(elements);
    }

    private String string() {
        expect('"');
        StringBuilder out = new StringBuilder();
        while (true) {
            char c = take();
            if (c == '"') {
                return out.toString();
            }
            if (c < ' ') {
                throw wrong("a control character in a string");
            }
            out.append(c == '\\' ? escape() : c);
        }
    }

    private char escape() {
        char c = take();
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> unicode();
            default -> throw wrong("an unknown escape");
        };
    }

    private char unicode() {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = Character.digit(take(), 16);
            if (digit < 0) {
                throw wrong("four hexadecimal digits are needed");
            }
            code = (code << 4) | digit;
        }
        return (char) code;
    }

    private Json number() {
        int from = at;
        accept('-');
        if (!accept('0')) {
            digits();
        }
        if (accept('.')) {
            digits();
        }
        if (accept('e') || accept('E')) {
            if (!accept('+')) {
                accept('-');
            }
            digits();
        }
        if (at - from > MAX_NUMBER_LENGTH) {
            throw wrong("a number of more than " + MAX_NUMBER_LENGTH + " characters");
        }
        try {
            return new Json.Num(new BigDecimal(text.substring(from, at)));
        } catch (NumberFormatException e) {
            // The exponent: the grammar bounds it by no more than the number's length.
            throw wrong("a number out of range");
        }
    }

    private void digits() {
        int from = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (at == from) {
            throw wrong("a value is needed");
        }
    }

    private Json word(String word, Json value) {
        if (!text.startsWith(word, at)) {
            throw wrong("a value is needed");
        }
        at += word.length();
        return value;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char peek() {
        if (at == text.length()) {
            throw wrong("it ends too soon");
        }
        return text.charAt(at);
    }

    private char take() {
        char c = peek();
        at++;
        return c;
    }

    private boolean accept(char c) {
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private void expect(char c) {
        if (!accept(c)) {
            throw wrong("'" + c + "' is needed");
        }
    }

    private ErrnoException wrong(String why) {
        return new ErrnoException(EINVAL, "JSON, character " + at + ": " + why);
    }
}
