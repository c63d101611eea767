package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PciAddressTest {

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "1",
                "00:01",
                "00:20.0",
                "00:01.8",
                "100:00.0.0",
                "0000:100:00.0",
                "10000:00:01.0",
                "00:01.0 ",
                "g0:01.0"
            })
    void refusesWhatIsNoAddress(String text) {
        assertThatThrownBy(() -> PciAddress.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void printsWhatItReadInTheKernelsForm() {
        assertThat(PciAddress.parse("8:1.7")).hasToString("0000:08:01.7");
        assertThat(PciAddress.parse("FFFF:ff:1f.0")).hasToString("ffff:ff:1f.0");
    }

    @Test
    void sortsByDomainThenBusThenSlotThenFunction() {
        assertThat(Stream.of(
                                "8000:00:00.0",
                                "0001:00:00.0",
                                "0000:01:00.0",
                                "0000:00:02.0",
                                "0000:00:01.1",
                                "0000:00:01.0")
                        .map(PciAddress::parse)
                        .sorted()
                        .map(PciAddress::toString))
                .containsExactly(
                        "0000:00:01.0", "0000:00:01.1", "0000:00:02.0", "0000:01:00.0", "0001:00:00.0", "8000:00:00.0");
    }
}
