package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;

import java.io.ByteArrayOutputStream;
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

/** The header and the framing of messages (vfio-user specification, "Header", "Command Concurrency"). */
class HeaderTest {

    private static final long SILENCE_NS = 50_000_000;

    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15, -1, Integer.MIN_VALUE, (1 << 20) + 33})
    void refusesAnImpossibleSizeAndCloses(int size) {
        try (RawClient client = served.client()) {
            RawMessage reply =
                    client.call(RawMessage.command(VFIO_USER_DEVICE_RESET).withStatedSize(size));
            assertThat(reply.error()).isEqualTo(EINVAL);
            assertThat(reply.size()).isEqualTo(16);
            client.expectClosed();
        }
        served.client().close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 11, 12, 14, 17, 18, 19, 20, 0xffff})
    void refusesCommandsThatAreUnknownOrNotForAServer(int command) {
        RawMessage message = RawMessage.command(command, new byte[64]).withId(0xfffe);
        assertThat(served.errnoOf(message)).isEqualTo(EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16})
    void refusesAnEmptyPayload(int command) {
        assertThat(served.errnoOf(RawMessage.command(command))).isEqualTo(EINVAL);
    }

    @Test
    void refusesRepliesThatNobodyAskedFor() {
        try (RawClient client = served.client()) {
            RawMessage reply =
                    client.call(RawMessage.command(VFIO_USER_DEVICE_RESET).withFlags(RawMessage.REPLY));
            assertThat(reply.error()).isEqualTo(EINVAL);
            reply = client.call(RawMessage.command(VFIO_USER_DEVICE_RESET).withFlags(2));
            assertThat(reply.error()).isEqualTo(EINVAL);
            assertThat(served.device.resets).hasValue(0);
        }
    }

    @Test
    void echoesIdAndCommand() {
        try (RawClient client = served.client()) {
            for (int id : new int[] {0, 1, 0x7fff, 0x8000, 0xffff}) {
                RawMessage reply =
                        client.call(RawMessage.command(VFIO_USER_DEVICE_RESET).withId(id));
                assertThat(reply.id()).isEqualTo(id);
                assertThat(reply.command()).isEqualTo(VFIO_USER_DEVICE_RESET);
                assertThat(reply.flags()).isEqualTo(RawMessage.REPLY);
                assertThat(reply.error()).isZero();
            }
        }
    }

    @Test
    void noReplyMeansSilenceEvenForErrors() {
        try (RawClient client = served.client()) {
            client.send(RawMessage.command(VFIO_USER_DEVICE_RESET).withFlags(RawMessage.NO_REPLY));
            client.send(RawMessage.command(99).withFlags(RawMessage.NO_REPLY));
            client.expectSilence(SILENCE_NS);
            assertThat(served.device.resets).hasValue(1);
        }
    }

    @Test
    void closesDescriptorsWhereNoneBelong() {
        try (RawClient client = served.client();
                Fd fd = EventFd.create()) {
            Leaks before = Leaks.snapshot();
            for (int i = 0; i < 20; i++) {
                assertThat(client.call(RawMessage.command(VFIO_USER_DEVICE_RESET), fd, fd, fd)
                                .isError())
                        .isFalse();
                assertThat(client.call(RawMessage.command(99), fd).error()).isEqualTo(EINVAL);
            }
            before.assertNone();
        }
    }

    @Test
    void closesTheConnectionWhenDescriptorsAreLost() {
        Leaks before = Leaks.snapshot();
        try (RawClient client = served.client();
                Fd fd = EventFd.create()) {
            Fd[] many = new Fd[17];
            java.util.Arrays.fill(many, fd);
            client.send(RawMessage.command(VFIO_USER_DEVICE_RESET).toBytes(), many);
            client.expectClosed();
        }
        before.assertNone();
    }

    @Test
    void answersPipelinedCommandsInOrder() {
        try (RawClient client = served.client()) {
            ByteArrayOutputStream glued = new ByteArrayOutputStream();
            for (int i = 0; i < 500; i++) {
                glued.writeBytes(write(0, i).withId(2 * i).toBytes());
                glued.writeBytes(read(0).withId(2 * i + 1).toBytes());
            }
            client.send(glued.toByteArray());
            for (int i = 0; i < 500; i++) {
                assertThat(client.receive().id()).isEqualTo(2 * i);
                RawMessage value = client.receive();
                assertThat(value.id()).isEqualTo(2 * i + 1);
                assertThat(value.u32(16)).isEqualTo(i);
            }
        }
    }

    @Test
    void takesMessagesInPieces() {
        byte[] bytes = write(0, 0x01020304).toBytes();
        try (RawClient client = served.client()) {
            for (byte b : bytes) {
                client.send(new byte[] {b});
            }
            assertThat(client.receive().isError()).isFalse();
            byte[] twice = new byte[2 * bytes.length];
            System.arraycopy(bytes, 0, twice, 0, bytes.length);
            System.arraycopy(bytes, 0, twice, bytes.length, bytes.length);
            for (int cut = 1; cut < twice.length; cut++) {
                client.send(java.util.Arrays.copyOf(twice, cut));
                client.send(java.util.Arrays.copyOfRange(twice, cut, twice.length));
                assertThat(client.receive().isError()).isFalse();
                assertThat(client.receive().isError()).isFalse();
            }
        }
    }

    @Test
    void givesDescriptorsToTheMessageTheyCameWith() {
        try (RawClient client = served.client();
                Fd fd = EventFd.create()) {
            for (int i = 0; i < 50; i++) {
                // One after the other without waiting, so that they may be glued in one chunk.
                client.send(RawMessage.command(VFIO_USER_DEVICE_RESET));
                client.send(SetIrqsTest.eventFds(2, i, 1), fd);
                client.send(RawMessage.command(
                        VFIO_USER_DEVICE_GET_INFO, new Payload().u32(16).bytes(new byte[12])));
                for (int j = 0; j < 3; j++) {
                    assertThat(client.receive().isError()).isFalse();
                }
                assertThat(served.device.irqSets.getLast().start()).isEqualTo(i);
                assertThat(served.device.irqSets.getLast().eventFds()).hasSize(1);
            }
        }
    }

    @Test
    void servesTheLargestMessage() {
        byte[] data = new byte[1 << 20];
        data[data.length - 1] = 42;
        Payload payload = new Payload().u64(0).u32(2).u32(data.length).bytes(data);
        try (RawClient client = served.client()) {
            assertThat(client.call(RawMessage.command(VFIO_USER_REGION_WRITE, payload))
                            .isError())
                    .isFalse();
            RawMessage reply = client.call(RawMessage.command(
                    VFIO_USER_REGION_READ, new Payload().u64(0).u32(2).u32(data.length)));
            assertThat(reply.payload()).hasSize(16 + data.length).endsWith(0, 42);
        }
    }

    private static RawMessage write(long offset, int value) {
        return RawMessage.command(
                VFIO_USER_REGION_WRITE, new Payload().u64(offset).u32(0).u32(4).u32(value));
    }

    private static RawMessage read(long offset) {
        return RawMessage.command(
                VFIO_USER_REGION_READ, new Payload().u64(offset).u32(0).u32(4));
    }
}
