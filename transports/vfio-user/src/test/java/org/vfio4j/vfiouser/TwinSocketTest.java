package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** The capability twin_socket: a second socket for the server's requests and the client's answers. */
class TwinSocketTest {

    private static final String WANTED = "{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}";
    private static final long IOVA = 0x40000;
    private static final long SIZE = 4 << 20;

    private final Leaks before = Leaks.snapshot();
    private final Served served = new Served();
    private final MemorySegment buffer = Arena.ofShared().allocate(SIZE);

    @AfterEach
    void close() {
        served.close();
        before.assertNone();
    }

    @Test
    void isOfferedToThoseWhoAskForItOnly() {
        for (String json : new String[] {
            "{}",
            "{\"capabilities\":{\"max_msg_fds\":8}}",
            "{\"capabilities\":{\"twin_socket\":{\"supported\":false}}}",
            "{\"capabilities\":{\"max_msg_fds\":0,\"twin_socket\":{\"supported\":true}}}",
        }) {
            try (RawClient client = RawClient.connect(served.socket)) {
                assertThat(text(client.negotiate(json))).doesNotContain("twin_socket");
                assertThat(client.takeFds()).isEmpty();
            }
        }
    }

    @Test
    void comesWithTheReplyToVersion() {
        try (RawClient client = RawClient.connect(served.socket)) {
            assertThat(text(client.negotiate(WANTED))).contains("\"twin_socket\":{\"supported\":true,\"fd_index\":0}");
            List<Fd> came = client.takeFds();
            assertThat(came).hasSize(1);
            came.forEach(Fd::close);
        }
    }

    @Test
    void carriesTheServersRequestsAndTheirAnswers() {
        try (RawClient client = RawClient.connect(served.socket);
                RawClient twin = twin(client)) {
            CompletableFuture<Integer> result = onQueueThread(window -> window.read(IOVA, buffer.address(), 8));
            RawMessage asked = twin.receive();
            assertThat(asked.command()).isEqualTo(VFIO_USER_DMA_READ);
            client.expectSilence(0);
            twin.send(RawMessage.reply(asked, new Payload().u64(IOVA).u64(8).u64(77)));
            assertThat(result.join()).isZero();
            assertThat(buffer.get(JAVA_LONG, 0)).isEqualTo(77);
            result = onQueueThread(window -> window.read(IOVA, buffer.address(), 8));
            twin.send(RawMessage.error(twin.receive(), EIO));
            assertThat(result.join()).isEqualTo(-EIO);
        }
    }

    @Test
    void isReadWhileACommandWaitsForTheDevice() {
        try (RawClient client = RawClient.connect(served.socket);
                RawClient twin = twin(client)) {
            CompletableFuture<Integer> result = onQueueThread(window -> window.read(IOVA, buffer.address(), 8));
            RawMessage asked = twin.receive();
            served.device.onConfigWrite = result::join;
            client.send(RegionAccessTest.write(0, 7, 4, new byte[4]));
            client.expectSilence(20_000_000);
            twin.send(RawMessage.reply(asked, new Payload().u64(IOVA).u64(8).u64(1)));
            assertThat(client.receive().isError()).isFalse();
            assertThat(result.join()).isZero();
        }
    }

    @Test
    void itsEndIsTheEndOfTheConnection() {
        try (RawClient client = RawClient.connect(served.socket)) {
            RawClient twin = twin(client);
            CompletableFuture<Integer> result = onQueueThread(window -> window.read(IOVA, buffer.address(), 8));
            twin.receive();
            twin.close();
            assertThat(result.join()).isEqualTo(-ENOTCONN);
            client.expectClosed();
        }
        try (RawClient next = served.client()) {
            assertThat(next.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
        }
    }

    @Test
    void whatIsNoAnswerEndsTheConnection() {
        RawMessage command = RegionAccessTest.read(0, 0, 4);
        for (RawMessage wrong : new RawMessage[] {
            command, RawMessage.reply(command, new Payload().u64(1).u64(2)), command.withStatedSize(3),
        }) {
            try (RawClient client = RawClient.connect(served.socket);
                    RawClient twin = twin(client)) {
                twin.send(wrong);
                client.expectClosed();
                twin.expectClosed();
            }
        }
    }

    @Test
    void theClientAnswersOnItWhileItsCallWaits() {
        VfioUserClientOptions options = VfioUserClientOptions.DEFAULTS.withTwinSocket(true);
        MemorySegment local = Arena.ofAuto().allocate(SIZE);
        local.set(JAVA_LONG, 64, 99);
        try (VfioUserClient driver = VfioUserClient.connect(served.socket, options)) {
            driver.dmaMap(IOVA, DmaSpace.READ | DmaSpace.WRITE, local);
            CompletableFuture<Integer> result = new CompletableFuture<>();
            served.device.onConfigWrite = () ->
                    result.complete(onQueueThread(window -> window.read(IOVA + 64, buffer.address(), 8))
                            .join());
            // Keeps the device busy, so that a worker has the command.
            CompletableFuture<Void> release = new CompletableFuture<>();
            CompletableFuture<Integer> busy = inWindow(release);
            driver.write(7, 8, buffer, 0, 4);
            assertThat(result.join()).isZero();
            assertThat(buffer.get(JAVA_LONG, 0)).isEqualTo(99);
            release.complete(null);
            assertThat(busy.join()).isZero();
        }
    }

    @Test
    void bothSocketsMayBeFullAtOnce() {
        VfioUserClientOptions options = VfioUserClientOptions.DEFAULTS.withTwinSocket(true);
        MemorySegment local = Arena.ofAuto().allocate(SIZE);
        MemorySegment large = Arena.ofAuto().allocate(FakeDevice.BAR2_SIZE);
        large.fill((byte) 3);
        buffer.fill((byte) 5);
        try (VfioUserClient driver = VfioUserClient.connect(served.socket, options)) {
            driver.dmaMap(IOVA, DmaSpace.READ | DmaSpace.WRITE, local);
            CompletableFuture<Integer> first = onQueueThread(window -> window.write(IOVA, buffer.address(), SIZE / 2));
            CompletableFuture<Integer> second =
                    onQueueThread(window -> window.write(IOVA + SIZE / 2, buffer.address() + SIZE / 2, SIZE / 2));
            while (!first.isDone() || !second.isDone()) {
                driver.write(2, 0, large, 0, FakeDevice.BAR2_SIZE);
                driver.read(2, 0, large, 0, FakeDevice.BAR2_SIZE);
            }
            assertThat(first.join()).isZero();
            assertThat(second.join()).isZero();
            assertThat(local.get(JAVA_BYTE, SIZE - 1)).isEqualTo((byte) 5);
            assertThat(large.get(JAVA_BYTE, FakeDevice.BAR2_SIZE - 1)).isEqualTo((byte) 3);
        }
    }

    private RawClient twin(RawClient client) {
        client.negotiate(WANTED);
        RawClient twin = RawClient.over(client.takeFds().getFirst());
        assertThat(client.call(DmaMessages.map(READ_WRITE, 0, IOVA, SIZE)).isError())
                .isFalse();
        return twin;
    }

    private CompletableFuture<Integer> onQueueThread(ToIntFunction<DmaWindow> access) {
        DmaWindow window = served.space().openWindow();
        CompletableFuture<Integer> result = new CompletableFuture<>();
        Thread.ofPlatform().start(() -> {
            window.enter();
            int error = access.applyAsInt(window);
            window.leave();
            window.close();
            result.complete(error);
        });
        return result;
    }

    private CompletableFuture<Integer> inWindow(CompletableFuture<Void> release) {
        CompletableFuture<Void> entered = new CompletableFuture<>();
        CompletableFuture<Integer> result = onQueueThread(window -> {
            entered.complete(null);
            release.join();
            return 0;
        });
        entered.join();
        return result;
    }

    private static String text(RawMessage version) {
        byte[] payload = version.payload();
        return new String(payload, 4, payload.length - 5, StandardCharsets.UTF_8);
    }
}
