package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_RESET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_WRITE;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** DMA_READ and DMA_WRITE, server to client, for memory that came without a descriptor. */
class DmaMessageTest {

    private static final long IOVA = 0x40000;
    private static final long SIZE = 0x100000;
    private static final int CLIENT_LIMIT = 4096;

    private final Served served = new Served();
    private final MemorySegment buffer = Arena.ofShared().allocate(SIZE);
    private RawClient client;

    @BeforeEach
    void map() {
        client = RawClient.connect(served.socket);
        client.negotiate("{\"capabilities\":{\"max_data_xfer_size\":" + CLIENT_LIMIT + "}}");
        assertThat(client.call(DmaMessages.map(READ_WRITE, 0, IOVA, SIZE)).isError())
                .isFalse();
    }

    @AfterEach
    void close() {
        client.close();
        served.close();
    }

    @Test
    void errnoOfTheClientReachesTheDevice() {
        CompletableFuture<Integer> result = read(0, 64);
        client.send(RawMessage.error(client.receive(), EIO));
        assertThat(result.join()).isEqualTo(-EIO);
        result = read(0, 64);
        client.send(RawMessage.error(client.receive(), 0));
        assertThat(result.join()).as("no errno given").isEqualTo(-EIO);
    }

    @Test
    void repliesThatDoNotFitTheRequestAreErrors() {
        for (Payload wrong : new Payload[] {
            new Payload().u64(IOVA).u64(8).bytes(new byte[7]),
            new Payload().u64(IOVA).u64(8).bytes(new byte[9]),
            new Payload().u64(IOVA + 1).u64(8).bytes(new byte[8]),
            new Payload().u64(IOVA).u64(7).bytes(new byte[8]),
            new Payload(),
        }) {
            CompletableFuture<Integer> result = read(0, 8);
            client.send(RawMessage.reply(client.receive(), wrong));
            assertThat(result.join()).isEqualTo(-EPROTO);
        }
    }

    @Test
    void repliesToOtherRequestsAreRefused() {
        CompletableFuture<Integer> result = read(0, 8);
        RawMessage asked = client.receive();
        client.send(RawMessage.reply(asked.withId(asked.id() ^ 0x40), answer(asked)));
        assertThat(client.receive().isError()).isTrue();
        client.send(RawMessage.reply(asked, answer(asked)));
        assertThat(result.join()).isZero();
    }

    @Test
    void asksInPiecesThatTheClientTakes() {
        CompletableFuture<Integer> result = read(8, 10_000);
        for (int at = 0; at < 10_000; at += CLIENT_LIMIT) {
            RawMessage asked = client.receive();
            assertThat(asked.command()).isEqualTo(VFIO_USER_DMA_READ);
            assertThat(asked.flags()).isZero();
            assertThat(asked.payload()).hasSize(16);
            assertThat(asked.u64(0)).isEqualTo(IOVA + 8 + at);
            assertThat(asked.u64(8)).isEqualTo(Math.min(CLIENT_LIMIT, 10_000 - at));
            client.send(RawMessage.reply(asked, answer(asked)));
        }
        assertThat(result.join()).isZero();
        for (int i = 0; i < 10_000; i++) {
            assertThat(buffer.get(JAVA_BYTE, i)).isEqualTo(pattern(IOVA + 8 + i));
        }
    }

    @Test
    void writesInPiecesThatTheClientTakes() {
        CompletableFuture<Integer> result = write(0, 5000);
        for (int at = 0; at < 5000; at += CLIENT_LIMIT) {
            RawMessage asked = client.receive();
            assertThat(asked.command()).isEqualTo(VFIO_USER_DMA_WRITE);
            assertThat(asked.u64(0)).isEqualTo(IOVA + at);
            int count = (int) asked.u64(8);
            assertThat(count).isEqualTo(Math.min(CLIENT_LIMIT, 5000 - at));
            assertThat(asked.payload()).hasSize(16 + count);
            assertThat(asked.payload()[16 + count - 1]).isEqualTo(buffer.get(JAVA_BYTE, at + count - 1));
            client.send(RawMessage.reply(asked, new Payload().u64(asked.u64(0)).u64(count)));
        }
        assertThat(result.join()).isZero();
    }

    @Test
    void speaksTheLayoutWithTheNarrowCountOnceTheClientDoes() {
        CompletableFuture<Integer> result = read(0, 64);
        RawMessage asked = client.receive();
        Payload narrow = new Payload().u64(IOVA).u32(64).bytes(new byte[63]).bytes((byte) 9);
        client.send(RawMessage.reply(asked, narrow));
        assertThat(result.join()).isZero();
        assertThat(buffer.get(JAVA_BYTE, 63)).isEqualTo((byte) 9);
        result = write(0, 64);
        asked = client.receive();
        assertThat(asked.payload()).hasSize(12 + 64);
        assertThat(asked.u32(8)).isEqualTo(64);
        assertThat(Arrays.copyOfRange(asked.payload(), 12, 76))
                .isEqualTo(buffer.asSlice(0, 64).toArray(JAVA_BYTE));
        client.send(RawMessage.reply(asked, new Payload()));
        assertThat(result.join()).isZero();
    }

    @Test
    void writesAgainWhenTheFirstReplyShowsTheNarrowLayout() {
        CompletableFuture<Integer> result = write(0, 64);
        client.send(RawMessage.reply(client.receive(), new Payload()));
        RawMessage again = client.receive();
        assertThat(again.payload()).hasSize(12 + 64);
        client.send(RawMessage.reply(again, new Payload()));
        assertThat(result.join()).isZero();
    }

    @Test
    void registersAreServedWhileTheDeviceWaits() {
        CompletableFuture<Integer> result = read(0, 64);
        RawMessage asked = client.receive();
        for (int i = 0; i < 10; i++) {
            assertThat(client.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
            assertThat(client.call(RegionAccessTest.write(0, 7, 4, new byte[4])).isError())
                    .as("configuration space")
                    .isFalse();
        }
        client.send(RawMessage.reply(asked, answer(asked)));
        assertThat(result.join()).isZero();
    }

    @Test
    void severalThreadsAskAtOnce() {
        CompletableFuture<Integer> first = read(0, 64);
        RawMessage one = client.receive();
        CompletableFuture<Integer> second = read(64, 64);
        RawMessage two = client.receive();
        assertThat(one.id()).isNotEqualTo(two.id());
        client.send(RawMessage.reply(two, answer(two)));
        assertThat(second.join()).isZero();
        client.send(RawMessage.reply(one, answer(one)));
        assertThat(first.join()).isZero();
    }

    @Test
    void resetEndsTheWaitAndALateReplyDoesNoHarm() {
        CompletableFuture<Integer> result = read(0, 64);
        served.device.onReset = result::join;
        RawMessage asked = client.receive();
        assertThat(client.call(RawMessage.command(VFIO_USER_DEVICE_RESET)).isError())
                .isFalse();
        assertThat(result.join()).isEqualTo(-ECANCELED);
        client.send(RawMessage.reply(asked, answer(asked)));
        assertThat(client.call(RegionAccessTest.read(0, 0, 4)).command()).isEqualTo(9);
        // And the next request is answered as ever.
        CompletableFuture<Integer> next = read(0, 64);
        asked = client.receive();
        client.send(RawMessage.reply(asked, answer(asked)));
        assertThat(next.join()).isZero();
    }

    @Test
    void aConfigurationWriteThatStopsTheDeviceEndsTheWait() {
        CompletableFuture<Integer> result = read(0, 64);
        client.receive();
        served.device.onConfigWrite = result::join;
        assertThat(client.call(RegionAccessTest.write(0, 7, 4, new byte[4])).isError())
                .isFalse();
        assertThat(result.join()).isEqualTo(-ECANCELED);
    }

    @Test
    void disconnectEndsTheWait() {
        CompletableFuture<Integer> result = read(0, 64);
        client.receive();
        client.close();
        assertThat(result.join()).isEqualTo(-ENOTCONN);
    }

    @Test
    void silenceOfTheClientEndsTheWait() {
        VfioUserServerOptions impatient = VfioUserServerOptions.DEFAULTS.withDmaTimeoutNs(50_000_000);
        try (Served other = new Served(impatient);
                RawClient silent = other.client()) {
            silent.call(DmaMessages.map(READ_WRITE, 0, IOVA, SIZE));
            int result = onQueueThread(other, window -> window.read(IOVA, buffer.address(), 8))
                    .join();
            assertThat(result).isEqualTo(-ETIMEDOUT);
        }
    }

    @Test
    void vfio4jsClientAnswersDuringItsCalls() {
        MemorySegment local = Arena.ofAuto().allocate(SIZE);
        local.set(JAVA_LONG, 0x8000, 0x1122334455667788L);
        client.close();
        try (VfioUserClient driver = served.driver()) {
            driver.dmaMap(IOVA, DmaSpace.READ | DmaSpace.WRITE, local);
            CompletableFuture<Integer> result = onQueueThread(served, window -> {
                int error = window.read(IOVA + 0x8000, buffer.address(), 8);
                return error != 0 ? error : window.write(IOVA, buffer.address(), SIZE / 2);
            });
            while (!result.isDone()) {
                driver.serve(1_000_000);
            }
            assertThat(result.join()).isZero();
            assertThat(local.get(JAVA_LONG, 0)).isEqualTo(0x1122334455667788L);
            driver.dmaUnmap(IOVA, SIZE);
        }
    }

    private CompletableFuture<Integer> read(long offset, int length) {
        return onQueueThread(served, window -> window.read(IOVA + offset, buffer.address(), length));
    }

    private CompletableFuture<Integer> write(long offset, int length) {
        for (int i = 0; i < length; i++) {
            buffer.set(JAVA_BYTE, i, pattern(i));
        }
        return onQueueThread(served, window -> window.write(IOVA + offset, buffer.address(), length));
    }

    private static CompletableFuture<Integer> onQueueThread(Served server, ToIntFunction<DmaWindow> access) {
        DmaWindow window = server.space().openWindow();
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

    private static Payload answer(RawMessage asked) {
        int count = (int) asked.u64(8);
        byte[] data = new byte[count];
        for (int i = 0; i < count; i++) {
            data[i] = pattern(asked.u64(0) + i);
        }
        return new Payload().u64(asked.u64(0)).u64(count).bytes(data);
    }

    private static byte pattern(long address) {
        return (byte) ((address * 7) >> 3);
    }
}
