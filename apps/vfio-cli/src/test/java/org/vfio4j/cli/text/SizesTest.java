package org.vfio4j.cli.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SizesTest {

    @ParameterizedTest
    @CsvSource({
        "4096, 4096",
        "512M, 536870912",
        "1g, 1073741824",
        "2GiB, 2147483648",
        "64KB, 65536",
        "8T, 8796093022208"
    })
    void readsPowersOf1024(String text, long bytes) {
        assertThat(Sizes.parse("memory", text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @CsvSource({"''", "-1", "1.5G", "M", "1X", "0x10", "99999999T"})
    void refusesEverythingElse(String text) {
        assertThatThrownBy(() -> Sizes.parse("memory", text))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("memory=" + text);
    }

    @Test
    void printsWhatPeopleRead() {
        assertThat(Sizes.format(512)).isEqualTo("512 B");
        assertThat(Sizes.format(512L << 20)).isEqualTo("512 MiB");
        assertThat(Sizes.format(3L << 29)).isEqualTo("1.5 GiB");
        assertThat(Sizes.format(1L << 50)).isEqualTo("1024 TiB");
    }
}
