package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.E2BIG;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** The client against a server that breaks the rules: an errno within a bounded time, and nothing left behind. */
class HostileServerTest {

    static final VfioUserClientOptions IMPATIENT = VfioUserClientOptions.DEFAULTS.withTimeoutNs(300_000_000);
    private static final Payload NOTHING = new Payload();

    private final Leaks before = Leaks.snapshot();
    private final UnixSocket.Pair pair = UnixSocket.pair();
    private final RawClient server = RawClient.over(pair.first());
    private final MemorySegment buffer = Arena.ofAuto().allocate(64);

    @AfterEach
    void close() {
        server.close();
        pair.second().close();
        before.assertNone();
    }

    @Test
    void versionRepliesThatAreWrongEndTheConnection() {
        assertThat(errnoOfConnect(new Payload().u16(1).u16(0))).isEqualTo(EPROTO);
    }

    @Test
    void aMinorAboveTheProposedOneEndsTheConnection() {
        assertThat(errnoOfConnect(new Payload().u16(0).u16(99))).isEqualTo(EPROTO);
    }

    @Test
    void aShortVersionReplyEndsTheConnection() {
        assertThat(errnoOfConnect(new Payload().u16(0))).isEqualTo(EPROTO);
    }

    @Test
    void capabilitiesThatAreNoJsonEndTheConnection() {
        assertThat(errnoOfConnect(new Payload().u16(0).u16(0).bytes((byte) '{', (byte) 0)))
                .isEqualTo(EINVAL);
    }

    @Test
    void silenceEndsTheConnection() {
        assertErrno(ETIMEDOUT, () -> VfioUserClient.over(pair.second(), IMPATIENT));
        assertThat(pair.second().isOpen()).isFalse();
    }

    @Test
    void theEndOfTheStreamEndsTheConnection() {
        server.close();
        assertErrno(ENOTCONN, () -> VfioUserClient.over(pair.second(), IMPATIENT));
    }

    @Test
    void repliesWithTheWrongIdCommandTypeOrSizeEndTheConnection() {
        assertReadFails(EPROTO, message -> message.withId(message.id() + 1));
        assertReadFails(
                EPROTO, message -> RawMessage.reply(RawMessage.command(10).withId(message.id()), data(4)));
        assertReadFails(EPROTO, message -> message.withFlags(3));
        assertReadFails(EPROTO, message -> message.withStatedSize(15));
        assertReadFails(EPROTO, message -> message.withStatedSize(Integer.MAX_VALUE));
        assertReadFails(EPROTO, message -> message.withStatedSize(-1));
        assertReadFails(EPROTO, message -> RawMessage.reply(message, data(3)));
        assertReadFails(EPROTO, message -> RawMessage.reply(message, data(5)));
        assertReadFails(EPROTO, message -> RawMessage.reply(message, NOTHING));
        assertReadFails(ETIMEDOUT, message -> message.withStatedSize(1000));
    }

    @Test
    void aFeatureLargerThanTheRoomForItEndsTheConnection() {
        MemorySegment room = Arena.ofAuto().allocate(8);
        withClient(driver -> {
            CompletableFuture<Void> call =
                    CompletableFuture.runAsync(() -> driver.feature(VFIO_DEVICE_FEATURE_GET | 1, room));
            RawMessage get = server.receive();
            server.send(RawMessage.reply(
                    get, new Payload().u32(24).u32(get.u32(4)).u64(1).u64(2)));
            assertThat(errnoOf(call)).isEqualTo(EPROTO);
        });
    }

    @Test
    void errorRepliesCarryTheirErrnoAndTheConnectionLives() {
        withClient(driver -> {
            int[] sent = {EINVAL, 0, 70_000, -1};
            int[] expected = {EINVAL, EIO, EIO, EIO};
            for (int i = 0; i < sent.length; i++) {
                int errno = sent[i];
                CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.read(0, 0, buffer, 0, 4));
                server.send(RawMessage.error(server.receive(), errno));
                assertThat(errnoOf(call)).isEqualTo(expected[i]);
            }
        });
    }

    @Test
    void closesDescriptorsThatNobodyAskedFor() {
        withClient(driver -> {
            try (Fd fd = EventFd.create()) {
                Leaks warm = Leaks.snapshot();
                CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.read(0, 0, buffer, 0, 4));
                server.send(RawMessage.reply(server.receive(), data(4)), fd, fd, fd);
                call.join();
                warm.assertNone();
            }
        });
    }

    @Test
    void answersRequestsForMemoryOnlyWithinWhatIsMapped() {
        MemorySegment local = Arena.ofAuto().allocate(0x1000);
        local.fill((byte) 7);
        withClient(driver -> {
            CompletableFuture<Void> call =
                    CompletableFuture.runAsync(() -> driver.dmaMap(0x1000, DmaSpace.READ, local));
            RawMessage map = server.receive();
            assertThat(ask(VFIO_USER_DMA_READ, 0, 8).error()).isEqualTo(ENOENT);
            assertThat(ask(VFIO_USER_DMA_READ, 0x2000, 8).error()).isEqualTo(ENOENT);
            assertThat(ask(VFIO_USER_DMA_READ, 0x1ffc, 8).error()).isEqualTo(ENOENT);
            assertThat(ask(VFIO_USER_DMA_READ, -1, 8).error()).isEqualTo(ENOENT);
            assertThat(ask(VFIO_USER_DMA_READ, 0x1000, 2 << 20).error()).isEqualTo(E2BIG);
            assertThat(ask(VFIO_USER_DMA_READ, 0x1000, -1).error()).isEqualTo(E2BIG);
            assertThat(server.call(RawMessage.command(VFIO_USER_DMA_READ, new byte[15]))
                            .error())
                    .isEqualTo(EINVAL);
            assertThat(server.call(RawMessage.command(
                                    VFIO_USER_DMA_WRITE,
                                    new Payload().u64(0x1000).u64(4).u32(0)))
                            .error())
                    .isEqualTo(EACCES);
            assertThat(server.call(RawMessage.command(99)).error()).isEqualTo(ENOSYS);
            RawMessage good = ask(VFIO_USER_DMA_READ, 0x1ff8, 8);
            assertThat(good.payload()).hasSize(24).endsWith(7, 7, 7, 7, 7, 7, 7, 7);
            server.send(RawMessage.reply(map, NOTHING));
            call.join();
        });
    }

    @Test
    void aRequestThatCameTogetherWithAReplyIsAnswered() {
        withClient(driver -> {
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.read(0, 0, buffer, 0, 4));
            byte[] reply = RawMessage.reply(server.receive(), data(4)).toBytes();
            byte[] question = RawMessage.command(
                            VFIO_USER_DMA_READ, new Payload().u64(0).u64(8))
                    .toBytes();
            byte[] both = Arrays.copyOf(reply, reply.length + question.length);
            System.arraycopy(question, 0, both, reply.length, question.length);
            server.send(both);
            call.join();
            assertThat(driver.serve(0)).isTrue();
            assertThat(server.receive().error()).isEqualTo(ENOENT);
            assertThat(driver.serve(0)).isFalse();
        });
    }

    @Test
    void aServerThatAsksWithoutEndDoesNotKeepTheClient() {
        byte[] question = RawMessage.command(
                        VFIO_USER_DMA_READ, new Payload().u64(0).u64(8))
                .withFlags(RawMessage.NO_REPLY)
                .toBytes();
        withClient(driver -> {
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.read(0, 0, buffer, 0, 4));
            server.receive();
            while (server.trySend(question)) {
                Thread.onSpinWait();
            }
            assertThat(errnoOf(call)).isEqualTo(ETIMEDOUT);
        });
    }

    private RawMessage ask(int command, long iova, long count) {
        return server.call(RawMessage.command(command, new Payload().u64(iova).u64(count)));
    }

    private int errnoOfConnect(Payload reply) {
        CompletableFuture<Void> call = CompletableFuture.runAsync(() -> VfioUserClient.over(pair.second(), IMPATIENT));
        server.send(RawMessage.reply(server.receive(), reply));
        int errno = errnoOf(call);
        server.expectClosed();
        return errno;
    }

    private void assertReadFails(int errno, UnaryOperator<RawMessage> wrong) {
        UnixSocket.Pair own = UnixSocket.pair();
        try (RawClient bad = RawClient.over(own.first())) {
            VfioUserClient driver = connect(bad, own.second());
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.read(0, 0, buffer, 0, 4));
            bad.send(wrong.apply(RawMessage.reply(bad.receive(), data(4))));
            assertThat(errnoOf(call)).isEqualTo(errno);
            bad.expectClosed();
            assertErrno(ENOTCONN, driver::info);
        }
    }

    private void withClient(Consumer<VfioUserClient> test) {
        try (VfioUserClient driver = connect(server, pair.second())) {
            test.accept(driver);
        }
    }

    static VfioUserClient connect(RawClient peer, Fd socket) {
        CompletableFuture<VfioUserClient> made =
                CompletableFuture.supplyAsync(() -> VfioUserClient.over(socket, IMPATIENT));
        byte[] json = "{\"capabilities\":{\"max_msg_fds\":8}}".getBytes(StandardCharsets.UTF_8);
        peer.send(RawMessage.reply(
                peer.receive(), new Payload().u16(0).u16(0).bytes(json).bytes((byte) 0)));
        return made.join();
    }

    private static Payload data(int bytes) {
        Payload payload = new Payload().u64(0).u32(0).u32(4);
        return payload.bytes(new byte[bytes]);
    }

    static int errnoOf(CompletableFuture<?> call) {
        try {
            call.join();
            return 0;
        } catch (CompletionException e) {
            return ((ErrnoException) e.getCause()).errno();
        }
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
