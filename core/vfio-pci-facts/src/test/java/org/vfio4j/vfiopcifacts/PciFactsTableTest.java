package org.vfio4j.vfiopcifacts;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** Which lines of which files decide what is known of a function. */
class PciFactsTableTest {

    private static final IdsOnly QAT = IdsOnly.of(0x8086, 0x37c8);

    @TempDir
    Path directory;

    @Test
    void saysWhichFileCannotBeRead() {
        Path missing = directory.resolve("missing.facts");
        assertThatThrownBy(() -> PciFactsTable.EMPTY.with(missing))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT))
                .hasMessageContaining(missing.toString());
        assertThatThrownBy(() -> PciFactsTable.EMPTY.with(Path.of("/dev/zero"))).hasMessageContaining("regular file");
    }

    @Test
    void anErrorNamesTheFileOfADirectory() throws Exception {
        Files.writeString(directory.resolve("10-good.facts"), "8086:1234 denylisted=yes\n");
        Path bad = Files.writeString(directory.resolve("20-bad.facts"), "\n8086:1234 denylisted=perhaps\n");
        assertThatThrownBy(() -> PciFactsTable.EMPTY.with(directory))
                .hasMessageStartingWith(bad + ":2: denylisted=perhaps, yes or no is needed");
    }

    @Test
    void nothingIsKnownOfAFunctionThatNoLineFits() {
        assertThat(table("8086:37c9 denylisted=yes").of(QAT)).isEqualTo(PciFacts.NONE);
        assertThat(table("8086:*:1af4:* denylisted=yes").of(QAT)).isEqualTo(PciFacts.NONE);
        assertThat(table("*:*:010000/ff0000 denylisted=yes").of(QAT)).isEqualTo(PciFacts.NONE);
    }

    @Test
    void takesEveryFact() {
        String facts = "ioPageFaultTolerant=yes denylisted=yes brokenIntxMasking=yes"
                + " pasidOffset=0x200 atsOffset=0x208 priOffset=0xff0";
        assertThat(table("8086:37c8 " + facts).of(QAT)).isEqualTo(new PciFacts(true, true, true, 0x200, 0x208, 0xff0));
    }

    @Test
    void fitsByEveryPartOfTheId() {
        IdsOnly disk = new IdsOnly(0x1af4, 0x1042, 0x1af4, 0x1100, 0x018000);
        for (String id : new String[] {
            "*:*",
            "1AF4:1042",
            "1af4:*:1af4:1100",
            "*:*:*:1100",
            "*:*:010000/ff0000",
            "1af4:1042:1af4:1100:018000/ffffff"
        }) {
            assertThat(table(id + " denylisted=yes").of(disk).denylisted())
                    .as(id)
                    .isTrue();
        }
    }

    @Test
    void theLaterLineDecidesFactByFact() {
        PciFactsTable table = table("8086:* denylisted=yes pasidOffset=0x200\n8086:37c8 denylisted=no atsOffset=0x300");
        assertThat(table.of(QAT)).isEqualTo(new PciFacts(false, false, false, 0x200, 0x300, 0));
        assertThat(table.with("later", "*:* pasidOffset=none".getBytes(UTF_8)).of(QAT))
                .isEqualTo(new PciFacts(false, false, false, 0, 0x300, 0));
    }

    @Test
    void filesOfADirectoryComeByNameAndOthersDoNotCount() throws Exception {
        Files.writeString(directory.resolve("20.facts"), "8086:37c8 denylisted=no");
        Files.writeString(directory.resolve("10.facts"), "8086:37c8 denylisted=yes brokenIntxMasking=yes");
        Files.writeString(directory.resolve("30.facts.orig"), "8086:37c8 denylisted=yes");
        assertThat(PciFactsTable.EMPTY.with(directory).of(QAT)).isEqualTo(new PciFacts(false, false, true, 0, 0, 0));
    }

    @Test
    void shippedLinesAreWhatLinuxKnowsAndCanBeOverridden() {
        PciFactsTable shipped = PciFactsTable.shipped();
        assertThat(shipped.of(QAT)).isEqualTo(new PciFacts(false, true, false, 0, 0, 0));
        assertThat(shipped.of(IdsOnly.of(0x8086, 0x1572))).isEqualTo(new PciFacts(false, false, true, 0, 0, 0));
        assertThat(shipped.of(IdsOnly.of(0x1af4, 0x1042))).isEqualTo(PciFacts.NONE);
        assertThat(shipped.with("site", "8086:37c8 denylisted=no".getBytes(UTF_8))
                        .of(QAT))
                .isEqualTo(PciFacts.NONE);
    }

    private static PciFactsTable table(String text) {
        return PciFactsTable.EMPTY.with("test", text.getBytes(UTF_8));
    }
}
