package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.vfiouser.HostileServerTest.connect;
import static org.vfio4j.vfiouser.HostileServerTest.errnoOf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.VfioIoEventFd;

/** Replies that make no sense, one kind for each message: the connection ends, and nothing is left behind. */
class HostileRepliesTest {

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
    void infoRepliesThatMakeNoSenseEndTheConnection() {
        // argsz, flags, regions, irqs
        assertInfoFails(new Payload().u32(16).u32(3).u32(-1).u32(5));
        assertInfoFails(new Payload().u32(16).u32(3).u32(9).u32(2000));
        assertInfoFails(new Payload().u32(16).u32(3 | 1 << 7).u32(9).u32(5));
        assertInfoFails(new Payload().u32(64).u32(3 | 1 << 7).u32(9).u32(5).u32(4096));
        assertInfoFails(new Payload().u32(64).u32(3 | 1 << 7).u32(9).u32(5).u32(-8));
        assertInfoFails(capability(new Payload().u32(64).u32(3 | 1 << 7).u32(9).u32(5), 24));
        assertCallFails(
                driver -> driver.irqInfo(2), new Payload().u32(16).u32(1).u32(1).u32(5));
        assertCallFails(
                driver -> driver.irqInfo(2), new Payload().u32(16).u32(1).u32(2).u32(-1));
        assertCallFails(
                driver -> driver.irqInfo(2),
                new Payload().u32(24).u32(1 | 1 << 4).u32(2).u32(1).u32(20));
    }

    @Test
    void regionRepliesThatMakeNoSenseEndTheConnection() {
        assertRegionFails(region(32, 3, 1, 0, 0x1000));
        assertRegionFails(region(32, 3, 0, 0, -1));
        assertRegionFails(region(64, 3 | 8, 0, 32, 0x1000));
        assertRegionFails(region(64, 3 | 8, 0, 28, 0x1000));
        assertRegionFails(capability(region(48, 3 | 8, 0, 32, 0x1000), 32));
    }

    /** A chain of one capability that says it goes on at itself. */
    private static Payload capability(Payload structure, int at) {
        byte[] bytes = structure.toBytes();
        Payload out = new Payload().bytes(bytes);
        if (bytes.length == 16) {
            out.u32(at).u32(0);
        }
        return out.u16(1).u16(1).u32(at).u64(0);
    }

    @Test
    void aServerThatWantsEverMoreRoomIsAskedTwice() {
        withClient(driver -> {
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.regionInfo(0));
            RawMessage first = server.receive();
            server.send(RawMessage.reply(first, region(8192, 3, 0, 0, 0x1000)));
            RawMessage second = server.receive();
            assertThat(second.u32(0)).isEqualTo(8192);
            server.send(RawMessage.reply(second, region(1 << 19, 3, 0, 0, 0x1000)));
            call.join();
        });
    }

    @Test
    void descriptorsOfARegionThatCannotBeMappedAreClosed() {
        withClient(driver -> {
            try (Fd fd = EventFd.create()) {
                Leaks warm = Leaks.snapshot();
                CompletableFuture<?> call = CompletableFuture.supplyAsync(() -> driver.regionMemory(0));
                server.send(RawMessage.reply(server.receive(), region(32, 3, 0, 0, 0x1000)), fd, fd, fd);
                assertThat(call.join()).isEqualTo(Optional.empty());
                warm.assertNone();
            }
        });
    }

    @Test
    void ofManyDescriptorsForARegionOneIsKept() {
        Leaks start = Leaks.snapshot();
        withClient(driver -> {
            try (Fd fd = EventFd.create()) {
                CompletableFuture<?> call = CompletableFuture.supplyAsync(() -> driver.regionMemory(0));
                server.send(RawMessage.reply(server.receive(), region(32, 3 | 4, 0, 0, 0x1000)), fd, fd, fd);
                call.join();
            }
        });
        start.assertNone();
    }

    @Test
    void moreDescriptorsThanTheClientTakesEndTheConnection() {
        withClient(driver -> {
            try (Fd fd = EventFd.create()) {
                CompletableFuture<?> call = CompletableFuture.supplyAsync(() -> driver.regionMemory(0));
                Fd[] many = new Fd[40];
                Arrays.fill(many, fd);
                server.send(RawMessage.reply(server.receive(), region(32, 3 | 4, 0, 0, 0x1000)), many);
                assertThat(errnoOf(call)).isEqualTo(EPROTO);
            }
        });
    }

    @Test
    void ioDescriptorRepliesThatMakeNoSenseEndTheConnection() {
        assertIoFdsFail(new Payload().u32(16).u32(0).u32(0).u32(1));
        assertIoFdsFail(new Payload().u32(16).u32(0).u32(0).u32(-1));
        assertIoFdsFail(ioFds(40, 1, 0).u32(0));
        assertIoFdsFail(ioFds(56, 2, 0));
        assertIoFdsFail(ioFds(57, 1, 0));
        assertIoFdsFail(ioFds(56, 0x4000_0000, 0));
        assertIoFdsFail(ioFds(56, 1, 1));
        assertIoFdsFail(ioFds(56, 1, 7));
        assertIoFdsFail(ioFds(56, 1, -2));
        assertIoFdsFail(entry(new Payload().u32(56).u32(0).u32(0).u32(1), 0x1000, 4, 0));
        assertIoFdsFail(entry(new Payload().u32(56).u32(0).u32(0).u32(1), -1, 4, 0));
        assertIoFdsFail(entry(new Payload().u32(56).u32(0).u32(0).u32(1), 0xffe, 4, 0));
        assertIoFdsFail(entry(new Payload().u32(56).u32(0).u32(0).u32(1), 0, -1, 0));
    }

    @Test
    void ioDescriptorsThatAreNoEventfdsEndTheConnection() {
        withClient(driver -> {
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> driver.ioEventFds(0));
            server.send(RawMessage.reply(server.receive(), region(32, 3, 0, 0, 0x1000)));
            try (Fd memory = MemFd.create("no eventfd", 0x1000)) {
                server.send(RawMessage.reply(server.receive(), ioFds(56, 1, 0)), memory);
            }
            assertThat(errnoOf(call)).isEqualTo(EPROTO);
        });
    }

    @Test
    void longerIoDescriptorEntriesAreReadAndShadowsLeftOut() {
        withClient(driver -> {
            CompletableFuture<List<VfioIoEventFd>> call = CompletableFuture.supplyAsync(() -> driver.ioEventFds(0));
            server.send(RawMessage.reply(server.receive(), region(32, 3, 0, 0, 0x1000)));
            Payload entries = new Payload().u32(16 + 2 * 48).u32(0).u32(0).u32(2);
            entries.u64(8).u64(4).u32(0).u32(0).u32(1).u32(-1).u64(0x55).u64(0x77);
            entries.u64(16).u64(4).u32(0).u32(2).u32(1).u32(-1).u64(0x55).u64(0x77);
            try (Fd fd = EventFd.create()) {
                server.send(RawMessage.reply(server.receive(), entries), fd);
            }
            assertThat(call.join()).hasSize(1);
            assertThat(call.join().getFirst().datamatch()).isEqualTo(0x77);
            assertThat(call.join().getFirst().fd().isOpen()).isTrue();
        });
    }

    @Test
    void migrationDataThatIsNotWhatItSaysEndsTheConnection() {
        for (Payload wrong : new Payload[] {
            new Payload().u32(16),
            new Payload().u32(16).u32(9).bytes(new byte[8]),
            new Payload().u32(16).u32(7).bytes(new byte[8]),
            new Payload().u32(16).u32(-1).bytes(new byte[8]),
            new Payload().u32(16).u32(65).bytes(new byte[65]),
        }) {
            assertCallFails(driver -> driver.migrationRead(buffer, 0, 64), wrong);
        }
    }

    @Test
    void dirtyBitmapsAndBatchesThatAreShortEndTheConnection() {
        assertCallFails(driver -> driver.dmaUnmap(0, 0x1000, 0x1000, buffer), new Payload().bytes(new byte[24]));
        assertCallFails(driver -> driver.dmaUnmap(0, 0x1000, 0x1000, buffer), new Payload().bytes(new byte[47]));
    }

    private void assertInfoFails(Payload reply) {
        assertCallFails(VfioUserClient::info, reply);
    }

    private void assertRegionFails(Payload reply) {
        assertCallFails(driver -> driver.regionInfo(0), reply);
    }

    private void assertCallFails(Consumer<VfioUserClient> call, Payload reply) {
        UnixSocket.Pair own = UnixSocket.pair();
        try (RawClient bad = RawClient.over(own.first())) {
            VfioUserClient driver = connect(bad, own.second());
            CompletableFuture<Void> running = CompletableFuture.runAsync(() -> call.accept(driver));
            bad.send(RawMessage.reply(bad.receive(), reply));
            assertThat(errnoOf(running)).isEqualTo(EPROTO);
            bad.expectClosed();
        }
    }

    private void assertIoFdsFail(Payload reply) {
        UnixSocket.Pair own = UnixSocket.pair();
        try (RawClient bad = RawClient.over(own.first());
                Fd fd = EventFd.create()) {
            VfioUserClient driver = connect(bad, own.second());
            CompletableFuture<Void> running = CompletableFuture.runAsync(() -> driver.ioEventFds(0));
            bad.send(RawMessage.reply(bad.receive(), region(32, 3, 0, 0, 0x1000)));
            bad.send(RawMessage.reply(bad.receive(), reply), fd);
            assertThat(errnoOf(running)).isEqualTo(EPROTO);
            driver.close();
        }
    }

    private static Payload ioFds(int argsz, int count, int fdIndex) {
        return entry(new Payload().u32(argsz).u32(0).u32(0).u32(count), 8, 4, fdIndex);
    }

    private static Payload entry(Payload head, long offset, long size, int fdIndex) {
        return head.u64(offset).u64(size).u32(fdIndex).u32(0).u32(0).u32(0).u64(0);
    }

    private static Payload region(int argsz, int flags, int index, int capOffset, long size) {
        return new Payload()
                .u32(argsz)
                .u32(flags)
                .u32(index)
                .u32(capOffset)
                .u64(size)
                .u64(0);
    }

    private void withClient(Consumer<VfioUserClient> test) {
        try (VfioUserClient driver = connect(server, pair.second())) {
            test.accept(driver);
        }
    }
}
