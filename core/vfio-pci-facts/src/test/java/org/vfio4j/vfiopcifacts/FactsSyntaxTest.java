package org.vfio4j.vfiopcifacts;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** The format of docs/users/facts.md: what a line may say, and what an error says of one that does not. */
class FactsSyntaxTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "8086 denylisted=yes | id 8086, vendor:device[:subvendor:subdevice][:class/mask] is needed",
                "8086:1:2 denylisted=yes | id 8086:1:2, vendor:device",
                "8086:0001:0002:0003:0004 denylisted=yes | id 8086:0001:0002:0003:0004, vendor:device",
                "8086:010600/ff0000 denylisted=yes | id 8086:010600/ff0000, vendor:device",
                "/ denylisted=yes | id /, vendor:device",
                "denylisted=yes | id denylisted=yes, vendor:device",
                "8086:123 denylisted=yes | id part '123', 4 hexadecimal digits or * are needed",
                "8086:-001 denylisted=yes | id part '-001', 4 hexadecimal digits",
                "0x8086:1234 denylisted=yes | id part '0x8086', 4 hexadecimal digits",
                "8086: denylisted=yes | id part '', 4 hexadecimal digits",
                "8086:*:*:**: denylisted=yes | id 8086:*:*:**:, vendor:device",
                "*:*:0106/ff00 denylisted=yes | class 0106/ff00, class/mask of 6 hexadecimal digits each is needed",
                "*:*:010600/ff0000/0 denylisted=yes | class 010600/ff0000/0, class/mask",
                "*:*:010600/ff0000 denylisted=yes | class 010600/ff0000, class/mask of 6 hexadecimal digits each is "
                        + "needed, and no class outside its mask",
                "8086:1234 | 8086:1234 without a fact, one key=value is needed at least",
                "8086:1234 denylisted | denylisted, key=value is needed",
                "8086:1234 denyListed=yes | unknown fact denyListed, there are ioPageFaultTolerant, denylisted, "
                        + "brokenIntxMasking, pasidOffset, atsOffset, priOffset",
                "8086:1234 =yes | unknown fact , there are",
                "8086:1234 denylisted=true | denylisted=true, yes or no is needed",
                "8086:1234 denylisted= | denylisted=, yes or no is needed",
                "8086:1234 denylisted=yes=no | denylisted=yes=no, yes or no is needed",
                "8086:1234 denylisted=yes denylisted=yes | denylisted twice, a line states a fact once",
                "8086:1234 pasidOffset=yes | pasidOffset=yes, a multiple of 4 from 0x100 to 0xff8 or none is needed",
                "8086:1234 pasidOffset=512 | pasidOffset=512, a multiple of 4",
                "8086:1234 pasidOffset=0x0fc | pasidOffset=0x0fc, a multiple of 4",
                "8086:1234 pasidOffset=0x202 | pasidOffset=0x202, a multiple of 4",
                "8086:1234 pasidOffset=0xffc | pasidOffset=0xffc, a multiple of 4 from 0x100 to 0xff8",
                "8086:1234 atsOffset=0xffc | atsOffset=0xffc, a multiple of 4 from 0x100 to 0xff8",
                "8086:1234 priOffset=0xff4 | priOffset=0xff4, a multiple of 4 from 0x100 to 0xff0",
                "8086:1234 priOffset=0x1000 | priOffset=0x1000, a multiple of 4",
            })
    void saysWhatIsWrongWithALine(String line, String error) {
        assertRefused("# first\n\n" + line + "\n", "site.facts:3: " + error);
    }

    @Test
    void refusesOneIdTwiceInAFile() {
        assertRefused(
                "8086:1234 denylisted=yes\n8086:1234:*:* denylisted=no\n",
                "site.facts:2: id 8086:1234:*:* again after line 1, a file has one line for an id");
    }

    @Test
    void refusesWhatIsNotAsciiOutsideComments() {
        assertRefused("8086:1234\0denylisted=yes", "site.facts:1: byte 0x0, printable ASCII is needed");
        assertRefused("\n8086:1234 denylisted=yes\u001c", "site.facts:2: byte 0x1c, printable ASCII is needed");
        assertRefused("8086:1234 denylisted=y\u00e9s", "site.facts:1: byte 0xc3, printable ASCII is needed");
    }

    @Test
    void refusesWordsAndFilesWithoutEnd() {
        assertRefused("8".repeat(65), "site.facts:1: a word of 65 characters, the limit is 64");
        assertRefused(
                "#".repeat(FactsFile.MAX_BYTES + 1), "site.facts:1: 1048577 bytes in the file, the limit is 1048576");
        assertThat(PciFactsTable.EMPTY
                        .with("site.facts", "#".repeat(FactsFile.MAX_BYTES).getBytes(UTF_8))
                        .size())
                .isZero();
    }

    @Test
    void knowsCommentsEmptyLinesTabsAndBothLineEnds() {
        String text = "# \u00e9\r\n\r\n\t8086:1234\t denylisted=yes # why\r\n8086:1235 denylisted=yes";
        assertThat(PciFactsTable.EMPTY.with("site.facts", text.getBytes(UTF_8)).size())
                .isEqualTo(2);
        assertThat(PciFactsTable.EMPTY.with("site.facts", new byte[0]).size()).isZero();
    }

    private static void assertRefused(String text, String error) {
        assertThatThrownBy(() -> PciFactsTable.EMPTY.with("site.facts", text.getBytes(UTF_8)))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                .hasMessageStartingWith(error);
    }
}
