package org.vfio4j.vfiopcifacts;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringTokenizer;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.sys.ErrnoException;

/**
 * The text of a facts file: a line for each id, {@code #} begins a comment, the rest of a line is words of printable ASCII.
 * Total: any bytes are lines, or an error that says which line is wrong. Stateless.
 */
final class FactsFile {

    /** Far more than all functions that there are need. */
    static final int MAX_BYTES = 1 << 20;

    private static final int LONGEST_WORD = 64;

    private FactsFile() {}

    /**
     * @param name what errors call the file
     * @throws ErrnoException EINVAL, beginning with {@code name:line:}, for a line that is not one, or an id that has one already
     */
    static List<FactsLine> parse(String name, byte[] bytes) {
        if (bytes.length > MAX_BYTES) {
            throw new ErrnoException(
                    EINVAL, name + ":1: " + bytes.length + " bytes in the file, the limit is " + MAX_BYTES);
        }
        List<FactsLine> lines = new ArrayList<>();
        Map<PciDeviceId, Integer> numbers = new HashMap<>();
        int number = 0;
        // One char for each byte: only comments may hold others than ASCII's.
        for (String text : new String(bytes, ISO_8859_1).split("\r?\n", -1)) {
            number++;
            try {
                List<String> words = words(text);
                if (!words.isEmpty()) {
                    FactsLine line = FactsLine.parse(words);
                    Integer earlier = numbers.putIfAbsent(line.id(), number);
                    if (earlier != null) {
                        throw new FactsSyntax("id " + words.getFirst() + " again after line " + earlier
                                + ", a file has one line for an id");
                    }
                    lines.add(line);
                }
            } catch (FactsSyntax e) {
                throw new ErrnoException(EINVAL, name + ":" + number + ": " + e.getMessage());
            }
        }
        return lines;
    }

    private static List<String> words(String text) throws FactsSyntax {
        int comment = text.indexOf('#');
        String content = comment < 0 ? text : text.substring(0, comment);
        for (int i = 0; i < content.length(); i++) {
            char c = content.charAt(i);
            if (c != '\t' && (c < ' ' || c > '~')) {
                throw new FactsSyntax(
                        "byte 0x" + Integer.toHexString(c) + ", printable ASCII is needed outside comments");
            }
        }
        List<String> words = new ArrayList<>();
        for (StringTokenizer rest = new StringTokenizer(content, " \t"); rest.hasMoreTokens(); ) {
            String word = rest.nextToken();
            if (word.length() > LONGEST_WORD) {
                throw new FactsSyntax("a word of " + word.length() + " characters, the limit is " + LONGEST_WORD);
            }
            words.add(word);
        }
        return words;
    }
}
