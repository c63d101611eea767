package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_VERSION;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** VFIO_USER_VERSION: how a connection begins (vfio-user specification, "VFIO_USER_VERSION"). */
class VersionTest {

    // What QEMU 11.1 proposes; it takes no reply that is longer than its request.
    private static final String QEMU_JSON = "{\"capabilities\": {\"max_data_xfer_size\": 1048576, \"pgsizes\": 4096,"
            + " \"max_msg_fds\": 16, \"max_dma_maps\": 65535, \"migration\": {\"pgsize\": 4096,"
            + " \"max_bitmap_size\": 268435456}, \"write_multiple\": true}}";

    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void refusesAnEmptyPayload() {
        assertThat(errnoOf(RawMessage.command(VFIO_USER_VERSION))).isEqualTo(EINVAL);
        assertThat(errnoOf(RawMessage.command(VFIO_USER_VERSION, new Payload().u16(0))))
                .isEqualTo(EINVAL);
    }

    @Test
    void refusesOtherCommandsBeforeIt() {
        Payload info = new Payload().u32(16).u32(0).u32(0).u32(0);
        assertThat(errnoOf(RawMessage.command(VFIO_USER_DEVICE_GET_INFO, info))).isEqualTo(EINVAL);
    }

    @Test
    void refusesAnotherMajor() {
        assertThat(errnoOf(RawClient.version(999, 0, "{}"))).isEqualTo(EINVAL);
        assertThat(errnoOf(RawClient.version(1, 0, "{}"))).isEqualTo(EINVAL);
    }

    @Test
    void refusesDataWithoutNul() {
        byte[] text = "{}".getBytes(StandardCharsets.UTF_8);
        Payload payload = new Payload().u16(0).u16(1).bytes(text);
        assertThat(errnoOf(RawMessage.command(VFIO_USER_VERSION, payload))).isEqualTo(EINVAL);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "\"",
                "[]",
                "{} {}",
                "{\"capabilities\": 1}",
                "{\"capabilities\": {\"max_msg_fds\": \"1\"}}",
                "{\"capabilities\": {\"max_msg_fds\": -1}}",
                "{\"capabilities\": {\"max_msg_fds\": 1025}}",
                "{\"capabilities\": {\"max_msg_fds\": 1.5}}",
                "{\"capabilities\": {\"max_data_xfer_size\": 0}}",
                "{\"capabilities\": {\"max_data_xfer_size\": 1e400}}",
                "{\"capabilities\": {\"write_multiple\": 1}}",
                "{\"capabilities\": {\"migration\": 1}}",
                "{\"capabilities\": {\"migration\": {\"pgsize\": \"4096\"}}}",
                "{\"capabilities\": {\"migration\": {\"pgsize\": 4095}}}",
            })
    void refusesBadJson(String json) {
        assertThat(errnoOf(RawClient.version(0, 1, json))).isEqualTo(EINVAL);
    }

    @Test
    void refusesJsonThatIsDeeperOrLongerThanAnyUse() {
        assertThat(errnoOf(RawClient.version(0, 1, "[".repeat(10_000)))).isEqualTo(EINVAL);
        assertThat(errnoOf(RawClient.version(0, 1, "{}" + " ".repeat(100_000)))).isEqualTo(EINVAL);
    }

    @Test
    void refusesAndClosesDescriptors() {
        Leaks before = Leaks.snapshot();
        try (RawClient client = RawClient.connect(served.socket);
                Fd fd = EventFd.create()) {
            RawMessage reply = client.call(RawClient.version(0, 1, "{}"), fd, fd);
            assertThat(reply.error()).isEqualTo(EINVAL);
        }
        before.assertNone();
    }

    @Test
    void refusesASecondOne() {
        try (RawClient client = served.client()) {
            assertThat(Served.errnoOf(client, RawClient.version(0, 1, "{}"))).isEqualTo(EINVAL);
        }
    }

    @Test
    void maySucceedAfterARefusal() {
        try (RawClient client = RawClient.connect(served.socket)) {
            assertThat(Served.errnoOf(client, RawClient.version(0, 1, "{"))).isEqualTo(EINVAL);
            client.negotiate("{}");
        }
    }

    @Test
    void repliesWithTheSameMajorAndAMinorNoHigherThanProposed() {
        for (int minor = 0; minor < 5; minor++) {
            try (RawClient client = RawClient.connect(served.socket)) {
                RawMessage reply = client.call(RawClient.version(0, minor, "{}"));
                assertThat(reply.isError()).isFalse();
                assertThat(reply.u16(0)).isZero();
                assertThat(reply.u16(2)).isLessThanOrEqualTo(minor);
            }
        }
    }

    @Test
    void acceptsDataThatIsMissingOrEmpty() {
        for (RawMessage proposal : new RawMessage[] {
            RawMessage.command(VFIO_USER_VERSION, new Payload().u16(0).u16(1)), RawClient.version(0, 1, "{}")
        }) {
            try (RawClient client = RawClient.connect(served.socket)) {
                assertThat(json(client.call(proposal))).contains("\"capabilities\"", "\"max_msg_fds\"");
            }
        }
    }

    @Test
    void replyIsNoLongerThanQemusRequest() {
        RawMessage proposal = RawClient.version(0, 0, QEMU_JSON);
        try (RawClient client = RawClient.connect(served.socket)) {
            RawMessage reply = client.call(proposal);
            assertThat(reply.size()).isLessThanOrEqualTo(proposal.size());
            Capabilities server = Capabilities.parse(json(reply));
            assertThat(server.maxMsgFds()).isBetween(1, 16);
            assertThat(server.maxDataXferSize()).isEqualTo(1 << 20);
            assertThat(server.pgsizes()).isEqualTo(4096);
            assertThat(server.maxDmaMaps()).isLessThanOrEqualTo(65535);
            assertThat(server.writeMultiple()).isTrue();
        }
    }

    private int errnoOf(RawMessage message) {
        try (RawClient client = RawClient.connect(served.socket)) {
            return Served.errnoOf(client, message);
        }
    }

    private static String json(RawMessage reply) {
        byte[] payload = reply.payload();
        assertThat(payload[payload.length - 1]).isZero();
        return new String(payload, 4, payload.length - 5, StandardCharsets.UTF_8);
    }
}
