package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** The JSON of VERSION messages, strictly read. */
class CapabilitiesTest {

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "nul",
                "tru",
                "01",
                "-",
                "1.",
                "1e",
                ".5",
                "+1",
                "\"\\x\"",
                "\"\\u12g4\"",
                "\"a\nb\"",
                "[1,]",
                "[1 2]",
                "{\"a\"}",
                "{\"a\":}",
                "{a:1}",
                "{\"a\":1,}",
                "1e99999999999999999999",
                "11111111111111111111111111111111111111111",
            })
    void refusesWhatIsNoJson(String text) {
        assertThatThrownBy(() -> JsonParser.parse(text))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
    }

    @Test
    void readsEveryKindOfValue() {
        Json value = JsonParser.parse(" {\"s\\u0041\\n\" : [ true, false, null, -1.5e2, \"\\\"\", {}, [] ] } ");
        assertThat(value)
                .isInstanceOfSatisfying(
                        Json.Obj.class, object -> assertThat(object.members()).containsOnlyKeys("sA\n"));
    }

    @Test
    void whatItWritesItReads() {
        Capabilities caps = Capabilities.of(16, 1 << 20, 1000);
        assertThat(Capabilities.parse(caps.toJson())).isEqualTo(caps);
        for (int fd : new int[] {Capabilities.NO_FD, 0, 3}) {
            Capabilities twin = caps.withTwinSocket(fd);
            assertThat(Capabilities.parse(twin.toJson())).isEqualTo(twin);
        }
    }

    @Test
    void whatIsNotSaidHasTheSpecificationsDefault() {
        Capabilities defaults = new Capabilities(1, 1 << 20, 65535, 4096, false, false, Capabilities.NO_FD);
        assertThat(Capabilities.parse("{}")).isEqualTo(defaults);
        assertThat(Capabilities.parse("{\"capabilities\":{\"twin_socket\":{}},\"x\":1}"))
                .isEqualTo(defaults);
    }

    @Test
    void numbersBeyondAnyUseAreCutToWhatAnIntHolds() {
        Capabilities caps = Capabilities.parse("{\"capabilities\":{\"max_data_xfer_size\":9223372036854775807}}");
        assertThat(caps.maxDataXferSize()).isEqualTo(Integer.MAX_VALUE);
    }
}
