package org.vfio4j.vfiopcifacts;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** Any bytes are a table, or an error that names a line of the text. */
class RandomFactsTest {

    private static final int ROUNDS = 20_000;
    private static final Pattern ERROR = Pattern.compile("seeded:(\\d+): .+, .+", Pattern.DOTALL);
    private static final String[] WORDS = {
        "8086:1234", "*:*", "*:1:2:3", "*:*:010600/ffff00", "8086", ":", "/", "denylisted=yes", "denylisted=no",
        "pasidOffset=0x100", "priOffset=0xff0", "atsOffset=none", "ioPageFaultTolerant=yes", "=", "#", "\n", "\n", "\n",
        " ", " ", "\t", "\r\n", "0x", "\0", "\u00ff"
    };

    private final Random random = new Random(20261126);
    private int tables;
    private int refusals;

    @Test
    void anyBytesAreATableOrAnErrorWithALine() {
        for (int i = 0; i < ROUNDS; i++) {
            check(i % 2 == 0 ? bytes() : words());
        }
        assertThat(tables).as("texts that were a table").isGreaterThan(ROUNDS / 100);
        assertThat(refusals).as("texts that were refused").isGreaterThan(ROUNDS / 2);
    }

    private void check(byte[] text) {
        try {
            PciFactsTable table = PciFactsTable.EMPTY.with("seeded", text);
            assertThat(table.size()).isLessThanOrEqualTo(lines(text));
            tables++;
        } catch (ErrnoException e) {
            assertThat(e.errno()).isEqualTo(Errno.EINVAL);
            Matcher error = ERROR.matcher(e.getMessage());
            assertThat(error.matches()).as(e.getMessage()).isTrue();
            assertThat(Integer.parseInt(error.group(1))).isBetween(1, lines(text));
            refusals++;
        }
    }

    private static int lines(byte[] text) {
        return (int) new String(text, ISO_8859_1).chars().filter(c -> c == '\n').count() + 1;
    }

    private byte[] bytes() {
        byte[] text = new byte[random.nextInt(64)];
        random.nextBytes(text);
        return text;
    }

    private byte[] words() {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(12); i > 0; i--) {
            text.append(WORDS[random.nextInt(WORDS.length)]);
            text.append(random.nextInt(3) == 0 ? "" : " ");
        }
        return text.toString().getBytes(ISO_8859_1);
    }
}
