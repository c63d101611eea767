package org.vfio4j.cli.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.vfio4j.cli.device.DeviceTuning;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.core.JacksonException;

/** Requests are read as they are written, and those that are not quite one are refused with what is wrong. */
class RequestFormTest {

    private static final String HEAD = "{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"";

    private Request last = ControlRequest.show("");
    private final RequestTable table = new RequestTable()
            .on(ControlRequest.FORM, this::take)
            .on(TuneRequest.FORM, this::take)
            .on(SriovRequest.FORM, this::take)
            .on(SnapRequest.FORM, this::take)
            .on(MdevRequest.FORM, this::take);

    private String take(Request request) {
        last = request;
        return request.kind();
    }

    static List<Request> requests() {
        MdevDefinition.Attribute attribute = new MdevDefinition.Attribute("port0/peer", "a \"b\" \u00e9\n");
        return List.of(
                ControlRequest.bind("0000:00:01.0", "vfio-pci"),
                ControlRequest.unbind("mlx5_core.sf.1", 30_000),
                ControlRequest.show("0000:00:01.0"),
                ControlRequest.statistics("", true),
                TuneRequest.resize("0000:00:01.0", 2, 1L << 40),
                TuneRequest.limit("0000:00:01.0", DeviceTuning.UNCHANGED, 7),
                SriovRequest.of("0000:00:01.0", 3, Request.MAX_TIMEOUT_MS),
                SnapRequest.create("0000:07:00.0", "nvme", List.of("null=1M", "file=a,b"), "", "vfio-pci", "/run/s"),
                SnapRequest.delete("0000:07:00.0", 1),
                MdevRequest.ask(MdevRequest.LIST),
                new MdevRequest(MdevRequest.START, "uuid", "parent", "type", "", List.of(attribute, attribute), 0),
                MdevRequest.stop("uuid", 5));
    }

    @ParameterizedTest
    @MethodSource("requests")
    void isReadAsItIsWritten(Request request) {
        assertThat(table.answer(request.line())).isEqualTo(request.kind());
        assertThat(last).isEqualTo(request);
    }

    /** These lines are what other versions of the program send, and must not change. */
    @Test
    void isWrittenAsEver() {
        assertThat(ControlRequest.unbind("0000:00:01.0", 5).line())
                .isEqualTo(HEAD + "Unbind\",\"address\":\"0000:00:01.0\",\"driver\":\"\",\"timeoutMs\":5}");
        assertThat(ControlRequest.statistics("", false).line())
                .isEqualTo(HEAD + "Statistics\",\"address\":\"\",\"queues\":false}");
        assertThat(TuneRequest.resize("0000:00:01.0", 0, 512).line())
                .isEqualTo(HEAD + "Resize\",\"address\":\"0000:00:01.0\",\"namespace\":0,\"sizeBytes\":512,\"iops\":-1,"
                        + "\"bandwidth\":-1}");
        assertThat(SriovRequest.of("0000:00:01.0", 2, 0).line())
                .isEqualTo(HEAD + "SetNumVfs\",\"address\":\"0000:00:01.0\",\"numVfs\":2,\"timeoutMs\":0}");
        assertThat(SnapRequest.create("a", "nvme", List.of("x=1", "y"), "b", "c", "d")
                        .line())
                .isEqualTo(HEAD + "SnapCreate\",\"address\":\"a\",\"device\":\"nvme\",\"settings\":[\"x=1\",\"y\"],"
                        + "\"at\":\"b\",\"driver\":\"c\",\"socket\":\"d\",\"timeoutMs\":0}");
        MdevDefinition.Attribute attribute = new MdevDefinition.Attribute("n", "v");
        assertThat(new MdevRequest(MdevRequest.START, "u", "p", "t", "s", List.of(attribute), 0).line())
                .isEqualTo(HEAD + "MdevStart\",\"uuid\":\"u\",\"parent\":\"p\",\"type\":\"t\",\"socket\":\"s\","
                        + "\"attrs\":[{\"n\":\"v\"}],\"timeoutMs\":0}");
    }

    @Test
    void whatMayBeAbsentMayBeNullToo() {
        table.answer(HEAD + "Unbind\",\"address\":\"0000:00:01.0\",\"driver\":null}");
        assertThat(last).isEqualTo(ControlRequest.unbind("0000:00:01.0", 0));
        table.answer(HEAD + "MdevTypes\"}");
        assertThat(last).isEqualTo(MdevRequest.ask(MdevRequest.TYPES));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '^',
            value = {
                "SetNumVfs','address':'a','numVfs':1}; without the field 'timeoutMs'",
                "SetNumVfs','address':null,'numVfs':1,'timeoutMs':0}; without the field 'address'",
                "SetNumVfs','address':'a','numVfs':2147483648,'timeoutMs':0}; a whole number of 32 bits is needed",
                "SetNumVfs','address':'a','numVfs':1.5,'timeoutMs':0}; a whole number of 32 bits is needed",
                "SetNumVfs','address':'a','numVfs':1,'timeoutMs':3600001}; the limits are 0 and 3600000",
                "SetNumVfs','address':'a','numVfs':1,'timeoutMs':-1}; the limits are 0 and 3600000",
                "SetNumVfs','address':7,'numVfs':1,'timeoutMs':0}; a string is needed, not 7",
                "Statistics','queues':1}; true or false is needed",
                "Show','adress':'a'}; the field 'adress': there are apiVersion, kind, address",
                "MdevStart','attrs':['a']}; has an element that is not",
                "SnapCreate','address':'','device':'','settings':[1]}; an array of strings is needed",
            })
    void whatMakesNoSenseIsRefused(String text, String why) {
        assertRefused(HEAD + text.replace('\'', '"'), Errno.EINVAL, why);
    }

    @Test
    void whatIsNoRequestIsRefused() {
        assertRefused("[]", Errno.EINVAL, "an object is needed");
        assertRefused("null", Errno.EINVAL, "an object is needed");
        assertRefused("{}", Errno.EPROTONOSUPPORT, "apiVersion ''");
        assertRefused("{\"apiVersion\":\"vfio4j/v2\",\"kind\":\"Show\"}", Errno.EPROTONOSUPPORT, "vfio4j/v2");
        assertRefused("{\"apiVersion\":\"vfio4j/v1\"}", Errno.EOPNOTSUPP, "request ''");
        assertRefused(HEAD + "MdevFly\"}", Errno.EOPNOTSUPP, "request 'MdevFly': there are Bind, Unbind");
        for (String text : List.of("", "{", HEAD + "Show\"} {}", HEAD + "Show\"", "\u0000")) {
            assertThatThrownBy(() -> table.answer(text))
                    .as(text)
                    .isInstanceOfAny(JacksonException.class, ErrnoException.class);
        }
    }

    @Test
    void whateverComesIsTakenOrRefused() {
        Random random = new Random(5);
        String pieces = "{}[]\",:\\0123456789.-eEtruefalsn \u0000\u00e9\ud800";
        for (int i = 0; i < 20_000; i++) {
            StringBuilder line = new StringBuilder(
                    requests().get(random.nextInt(requests().size())).line());
            for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
                int at = random.nextInt(line.length());
                char piece = pieces.charAt(random.nextInt(pieces.length()));
                switch (random.nextInt(3)) {
                    case 0 -> line.setCharAt(at, piece);
                    case 1 -> line.insert(at, piece);
                    default -> line.deleteCharAt(at);
                }
            }
            try {
                assertThat(table.answer(line.toString())).isEqualTo(last.kind());
            } catch (JacksonException | ErrnoException e) {
                assertThat(e).as(line.toString()).hasMessageMatching("(?s).+");
            }
        }
    }

    private void assertRefused(String line, int errno, String why) {
        assertThatThrownBy(() -> table.answer(line))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno))
                .hasMessageContaining(why);
    }
}
