package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_GET_REGION_IO_FDS;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;
import static org.vfio4j.vfiouser.DmaMessages.map;
import static org.vfio4j.vfiouser.DmaMessages.unmap;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;
import org.vfio4j.vfio.VfioRegistry;

/** Clients that keep their connection while servers come and go. */
class RelayTest {

    private static final long IOVA = 0x10000;
    private static final int SIZE = 0x4000;
    private static final Duration LET_GO_AFTER = Duration.ofMillis(200);
    private static final VfioMsixCopy NO_TABLE = new VfioMsixCopy(new byte[0], new BitSet());

    private final Leaks before = Leaks.snapshot();
    private final EventLoop keeper = new EventLoop();
    private final EventLoop loop = new EventLoop();
    private final Path directory;
    private final Path path;
    private final VfioUserRelay relay;
    private Optional<VfioPciConfigCopy> config = Optional.empty();
    private volatile boolean serverLives;
    private final AtomicInteger asked = new AtomicInteger();

    RelayTest() throws IOException {
        directory = Files.createTempDirectory("relay");
        path = directory.resolve("s");
        relay = VfioUserRelay.listen(
                keeper, path, directory.resolve("inner"), new VfioUserRelay.ServerLife(this::lives, LET_GO_AFTER));
        relay.setServing(true);
    }

    @AfterEach
    void close() throws IOException {
        relay.close();
        keeper.close();
        loop.close();
        Files.deleteIfExists(directory.resolve("inner"));
        Files.delete(directory);
        before.assertNone();
    }

    @Test
    void passesRequestsAnswersAndErrorsOn() {
        FakeDevice device = new FakeDevice();
        device.bar0.set(JAVA_INT, 16, 77);
        try (VfioUserServer server = serve(device);
                RawClient client = RawClient.negotiated(path)) {
            assertThat(client.call(RegionAccessTest.read(16, 0, 4)).u32(16)).isEqualTo(77);
            assertThat(Served.errnoOf(client, RawMessage.command(99))).isEqualTo(EINVAL);
            assertThat(Served.errnoOf(client, RawClient.version(0, 1, "{}"))).isEqualTo(EINVAL);
            client.send(
                    RegionAccessTest.write(16, 0, 4, new byte[] {5, 0, 0, 0}).withFlags(RawMessage.NO_REPLY));
            assertThat(client.call(RegionAccessTest.read(16, 0, 4)).u32(16)).isEqualTo(5);
            assertThat(server.statistics().connections()).isEqualTo(1);
        }
    }

    @Test
    void nextClientIsLetInWhenTheFirstHasGone() {
        FakeDevice device = new FakeDevice();
        try (VfioUserServer server = serve(device)) {
            for (int i = 0; i < 50; i++) {
                try (RawClient client = RawClient.negotiated(path)) {
                    assertThat(client.call(RegionAccessTest.read(16, 0, 4)).isError())
                            .isFalse();
                }
            }
            assertThat(server.statistics().connections()).isEqualTo(50);
        }
    }

    @Test
    void memoryInterruptsAndConfigurationGoToTheNextServer() {
        FakeDevice device = new FakeDevice();
        FakeDevice other = new FakeDevice();
        try (RawClient client = connected(device);
                Fd memory = MemFd.create("guest", 2L * SIZE);
                Fd event = EventFd.create()) {
            try (VfioUserServer first = serve(device)) {
                negotiate(client);
                call(client, map(READ_WRITE, 0, IOVA, SIZE), memory);
                call(client, map(READ_WRITE, SIZE, 4 * IOVA, SIZE), memory);
                call(client, map(READ_WRITE, 0, 8 * IOVA, SIZE), memory);
                call(client, unmap(24, 0, 8 * IOVA, SIZE));
                call(client, SetIrqsTest.eventFds(2, 7, 1), event);
                call(client, RegionAccessTest.write(0x10, 7, 4, new byte[] {0, 0, (byte) 0xe0, 0}));
                call(client, RegionAccessTest.write(PCI_COMMAND, 7, 2, new byte[] {PCI_COMMAND_MASTER, 4}));
                assertThat(first.statistics().errors()).isZero();
            }
            client.send(RegionAccessTest.read(16, 0, 4));
            client.expectSilence(20_000_000);
            other.bar0.set(JAVA_INT, 16, 78);
            try (VfioUserServer second = serve(other)) {
                assertThat(client.receive().u32(16)).isEqualTo(78);
                IoAddressSpace space = other.space.orElseThrow();
                assertThat(space.size()).isEqualTo(2);
                assertThat(other.config.get(JAVA_INT, 0x10)).isEqualTo(0x00e00000);
                assertThat(other.config.get(JAVA_BYTE, PCI_COMMAND)).isEqualTo((byte) PCI_COMMAND_MASTER);
                assertThat(other.irqSets.getLast().start()).isEqualTo(7);
                EventFd.signal(other.eventFds.getFirst().value());
                assertThat(EventFd.drain(event.value())).isEqualTo(1);
                assertThat(Served.errnoOf(client, RawClient.version(0, 1, "{}")))
                        .isEqualTo(EINVAL);
                call(client, unmap(24, 0, IOVA, SIZE));
                assertThat(space.size()).isEqualTo(1);
                assertThat(second.statistics().connections()).isEqualTo(1);
            }
        }
    }

    @Test
    void whatHasNoAnswerIsSentAgainAndWhatHasOneIsNot() {
        try (RawClient client = RawClient.connect(path);
                Fd memory = MemFd.create("guest", SIZE)) {
            try (RawClient server = accept()) {
                client.send(RawClient.version(0, 1, "{}"));
                server.send(answer(server.receive()));
                assertThat(client.receive().isError()).isFalse();
                for (int id = 10; id < 20; id++) {
                    client.send(RegionAccessTest.read(id, 0, 4).withId(id));
                }
                client.send(map(READ_WRITE, 0, IOVA, SIZE).withId(20), memory);
                for (int id = 10; id < 15; id++) {
                    server.send(answer(server.receive()));
                }
            }
            for (int id = 10; id < 15; id++) {
                assertThat(client.receive().id()).isEqualTo(id);
            }
            try (RawClient server = resumed()) {
                for (int id = 15; id <= 20; id++) {
                    RawMessage again = server.receive();
                    assertThat(again.id()).isEqualTo(id);
                    server.send(answer(again));
                }
                assertThat(client.receive().id()).isEqualTo(15);
                Fd sent = server.takeFds().getFirst();
                sent.close();
                server.expectSilence(10_000_000);
            }
        }
    }

    @Test
    void aPostedWriteIsSentAgainUntilAServerHasCarriedItOut() {
        RawMessage posted = RegionAccessTest.write(16, 0, 4, new byte[4])
                .withFlags(RawMessage.NO_REPLY)
                .withId(7);
        try (RawClient client = RawClient.connect(path)) {
            try (RawClient server = accept()) {
                client.send(posted);
                assertThat(server.receive().flags()).isZero();
            }
            try (RawClient server = resumed()) {
                RawMessage again = server.receive();
                assertThat(again.id()).isEqualTo(7);
                server.send(answer(again));
                client.send(RegionAccessTest.read(16, 0, 4).withId(8));
                server.send(answer(server.receive()));
                assertThat(client.receive().id())
                        .as("the first answer that the client gets")
                        .isEqualTo(8);
            }
            try (RawClient server = resumed()) {
                server.expectSilence(10_000_000);
            }
        }
    }

    @Test
    void aClientWhoseConnectionALivingServerEndsIsLetGo() {
        serverLives = true;
        try (RawClient client = RawClient.connect(path)) {
            accept().close();
            client.expectClosed();
        }
        try (RawClient next = RawClient.connect(path);
                RawClient server = accept()) {
            next.send(RegionAccessTest.read(16, 0, 4).withId(3));
            assertThat(server.receive().id()).isEqualTo(3);
        }
    }

    /** The end of one server says nothing of the one after it. */
    @Test
    void aServerThatWasReplacedMeanwhileIsNotAskedFor() {
        try (RawClient client = RawClient.connect(path)) {
            long begin = System.nanoTime();
            accept().close();
            resumed().close();
            assumeTrue(System.nanoTime() - begin < LET_GO_AFTER.toNanos() / 2, "too slow to tell");
            client.expectSilence(3 * LET_GO_AFTER.toNanos());
            assertThat(asked).hasValue(1);
            resumed().close();
        }
    }

    @Test
    void aClientWaitsAsLongAsADeadServerNeedsToBeReplaced() {
        try (RawClient client = RawClient.connect(path)) {
            accept().close();
            client.expectSilence(2 * LET_GO_AFTER.toNanos());
            try (RawClient server = resumed()) {
                serverLives = true;
                client.send(RegionAccessTest.read(16, 0, 4).withId(3));
                assertThat(server.receive().id()).isEqualTo(3);
            }
        }
    }

    /** Which the relay may not have read when the next server is there. */
    @Test
    void theLastAnswerOfADeadServerCounts() throws Exception {
        for (int i = 0; i < 50; i++) {
            CountDownLatch free = new CountDownLatch(1);
            try (RawClient client = RawClient.connect(path)) {
                CompletableFuture<Optional<ServerHandover>> next;
                try (RawClient server = accept()) {
                    client.send(RegionAccessTest.read(16, 0, 4).withId(3));
                    client.send(RegionAccessTest.read(20, 0, 4).withId(4));
                    RawMessage first = server.receive();
                    server.receive();
                    keeper.execute(() -> await(free));
                    next = CompletableFuture.supplyAsync(relay::resume);
                    server.send(answer(first));
                }
                free.countDown();
                try (ServerHandover handover = next.get().orElseThrow();
                        RawClient server =
                                RawClient.over(Taken.client(handover).socket().dup())) {
                    assertThat(server.receive().id()).isEqualTo(4);
                    assertThat(client.receive().id()).isEqualTo(3);
                }
            }
        }
    }

    @Test
    void halfAnAnswerOfADeadServerIsDropped() {
        try (RawClient client = RawClient.connect(path)) {
            try (RawClient server = accept()) {
                client.send(RegionAccessTest.read(16, 0, 4).withId(3));
                byte[] reply = answer(server.receive()).toBytes();
                server.send(Arrays.copyOf(reply, reply.length - 1));
            }
            try (RawClient server = resumed()) {
                RawMessage again = server.receive();
                assertThat(again.id()).isEqualTo(3);
                server.send(RawMessage.reply(
                        again, new Payload().u64(16).u32(0).u32(4).u32(99)));
                assertThat(client.receive().u32(16)).isEqualTo(99);
            }
        }
    }

    @Test
    void halfARequestIsCompletedAtTheNextServer() {
        byte[] request = RegionAccessTest.read(16, 0, 4).withId(3).toBytes();
        try (RawClient client = RawClient.connect(path)) {
            accept().close();
            client.send(Arrays.copyOf(request, 20));
            try (RawClient server = resumed()) {
                client.send(Arrays.copyOfRange(request, 20, request.length));
                assertThat(server.receive().toBytes()).isEqualTo(request);
            }
        }
    }

    @Test
    void aClientsLateAnswerIsNoAnswerToTheNextServer() {
        FakeDevice other = new FakeDevice();
        try (RawClient client = RawClient.connect(path)) {
            RawMessage asked;
            try (RawClient server = accept()) {
                negotiate(client, server);
                client.send(map(READ_WRITE, 0, IOVA, SIZE));
                server.send(answer(server.receive()));
                assertThat(client.receive().isError()).isFalse();
                server.send(RawMessage.command(
                                VFIO_USER_DMA_READ, new Payload().u64(IOVA).u64(8))
                        .withId(1 << 6));
                asked = client.receive();
            }
            try (VfioUserServer second = serve(other);
                    Arena arena = Arena.ofShared()) {
                MemorySegment buffer = arena.allocate(8);
                Thread reader = Thread.ofPlatform().start(() -> {
                    try (DmaWindow window = other.space.orElseThrow().openWindow()) {
                        window.enter();
                        assertThat(window.read(IOVA, buffer.address(), 8)).isZero();
                        window.leave();
                    }
                });
                RawMessage anew = client.receive();
                assertThat(anew.id()).isNotEqualTo(asked.id());
                client.send(
                        RawMessage.reply(asked, new Payload().u64(IOVA).u64(8).u64(1)));
                client.send(
                        RawMessage.reply(anew, new Payload().u64(IOVA).u64(8).u64(2)));
                join(reader);
                assertThat(buffer.get(JAVA_INT, 0)).isEqualTo(2);
                assertThat(second.statistics().errors()).isZero();
            }
        }
    }

    @Test
    void aClientWithMemoryInTooManyFilesEndsWithItsServer() {
        try (RawClient client = RawClient.connect(path)) {
            try (VfioUserServer first = serve(new FakeDevice())) {
                negotiate(client);
                for (int i = 0; i <= MemoryFiles.MAX_FILES; i++) {
                    try (Fd memory = MemFd.create("guest", SIZE)) {
                        call(client, map(READ_WRITE, 0, IOVA + (long) i * SIZE, SIZE), memory);
                    }
                }
                assertThat(first.statistics().errors()).isZero();
            }
            assertThat(relay.resume()).isEmpty();
            client.expectClosed();
        }
    }

    @Test
    void nothingIsGivenThatOnlyOneServerSees() {
        try (VfioUserServer server = serve(new FakeDevice());
                RawClient client = RawClient.connect(path)) {
            RawMessage reply =
                    client.negotiate("{\"capabilities\":{\"max_msg_fds\":8,\"twin_socket\":{\"supported\":true}}}");
            assertThat(new String(reply.payload(), java.nio.charset.StandardCharsets.UTF_8))
                    .doesNotContain("twin_socket");
            RawMessage fds = client.call(RawMessage.command(
                    VFIO_USER_DEVICE_GET_REGION_IO_FDS,
                    new Payload().u32(1024).u32(0).u32(0).u32(0)));
            assertThat(fds.u32(12)).isZero();
            assertThat(client.takeFds()).isEmpty();
            assertThat(server.statistics().errors()).isZero();
        }
    }

    @Test
    void aFloodOfRequestsWaitsInTheSocketAndComesThroughInOrder() {
        byte[] read = RegionAccessTest.read(16, 0, 4).toBytes();
        try (RawClient client = RawClient.connect(path)) {
            accept().close();
            long bytes = client.sendUntilFull(read);
            assertThat(bytes / read.length).isGreaterThan(RelayedRequests.MAX_REQUESTS);
            try (RawClient server = resumed()) {
                for (long i = 0; i < bytes / read.length; i++) {
                    server.send(answer(server.receive()));
                    client.receive();
                }
            }
        }
    }

    @Test
    void nonsenseAndDisconnectsAtAnyPointLeaveNothingBehind() {
        byte[] request = map(READ_WRITE, 0, IOVA, SIZE).toBytes();
        for (int length = 0; length <= request.length; length++) {
            try (RawClient client = RawClient.connect(path);
                    Fd memory = MemFd.create("guest", SIZE)) {
                RawClient server = accept();
                if (length > 0) {
                    client.send(Arrays.copyOf(request, length), memory);
                }
                client.close();
                server.expectClosed();
                server.close();
            }
        }
        try (RawClient client = RawClient.connect(path);
                RawClient server = accept()) {
            client.send(RegionAccessTest.read(16, 0, 4).withStatedSize(3));
            client.expectClosed();
            server.expectClosed();
        }
        try (RawClient client = RawClient.connect(path);
                RawClient server = accept()) {
            server.send(RegionAccessTest.read(16, 0, 4).withFlags(RawMessage.REPLY));
            client.expectClosed();
            server.expectClosed();
        }
    }

    @Test
    void aFloodOfDescriptorsIsBounded() {
        int sent = 0;
        try (RawClient client = RawClient.connect(path);
                Fd memory = MemFd.create("guest", SIZE)) {
            accept().close();
            long fdsBefore = openDescriptors();
            byte[] request = SetIrqsTest.eventFds(2, 0, 1).toBytes();
            Fd[] eight = {memory, memory, memory, memory, memory, memory, memory, memory};
            while (sent < 100 && Poll.poll(client.socket().value(), Poll.POLLOUT, 1) != 0) {
                client.send(request, eight);
                sent++;
            }
            awaitQuiet();
            assertThat(openDescriptors() - fdsBefore).isLessThan(200);
            try (RawClient server = resumed()) {
                for (int i = 0; i < sent; i++) {
                    RawMessage again = server.receive();
                    server.takeFds().forEach(Fd::close);
                    server.send(RawMessage.error(again, EINVAL));
                    assertThat(client.receive().error()).isEqualTo(EINVAL);
                }
            }
        }
        assertThat(sent).isGreaterThan(20);
    }

    @Test
    void passingOnAllocatesNothing() {
        try (VfioUserServer server = serve(new FakeDevice());
                VfioUserClient driver = VfioUserClient.connect(path, VfioUserClientOptions.DEFAULTS)) {
            MemorySegment buffer = Arena.ofAuto().allocate(64);
            Thread thread = ThreadUse.threadNamed(keeper.name());
            access(driver, buffer, 30_000);
            long allocated = ThreadUse.allocatedBytes(thread);
            access(driver, buffer, 10_000);
            assertThat(ThreadUse.allocatedBytes(thread) - allocated).isLessThan(1_000);
            assertThat(server.statistics().errors()).isZero();
        }
    }

    private static void access(VfioUserClient driver, MemorySegment buffer, int times) {
        for (int i = 0; i < times; i++) {
            driver.read(0, 64, buffer, 0, 4);
            driver.write(0, 64, buffer, 0, 4);
        }
    }

    private RawClient connected(FakeDevice device) {
        assertThat(device.space).isEmpty();
        return RawClient.connect(path);
    }

    private VfioUserServer serve(FakeDevice device) {
        VfioRegistry registry = new VfioRegistry();
        registry.register(device, () -> () -> {}, "0000:08:00.0");
        LocalDeviceFile file = registry.open("vfio0");
        VfioUserServer server = VfioUserServer.resume(
                loop,
                relay.innerListening(),
                relay.resume(),
                config,
                NO_TABLE,
                file,
                VfioUserServerOptions.DEFAULTS.withReplaceable(true),
                (now, msix) -> config = Optional.of(now));
        server.startTakenOver();
        return server;
    }

    /** A server of the test's own, in the place of the first. */
    private boolean lives() {
        asked.incrementAndGet();
        return serverLives;
    }

    private RawClient accept() {
        try (Fd listening = relay.innerListening()) {
            Poll.poll(listening.value(), Poll.POLLIN, 10_000_000_000L);
            return RawClient.over(Fd.own(UnixSocket.accept(listening.value())));
        }
    }

    /** One in the place of another. */
    private RawClient resumed() {
        try (ServerHandover handover = relay.resume().orElseThrow()) {
            return RawClient.over(Taken.client(handover).socket().dup());
        }
    }

    private static RawMessage answer(RawMessage request) {
        return RawMessage.reply(request, new Payload().bytes(request.payload()));
    }

    private static void negotiate(RawClient client) {
        client.negotiate("{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576}}");
    }

    private static void negotiate(RawClient client, RawClient server) {
        client.send(RawClient.version(0, 1, "{}"));
        server.send(answer(server.receive()));
        client.receive();
    }

    private static void call(RawClient client, RawMessage message, Fd... fds) {
        assertThat(client.call(message, fds).isError()).as("%s", message).isFalse();
    }

    private void awaitQuiet() {
        // Whoever asks the loop comes behind what it has in hand.
        for (int i = 0; i < 10; i++) {
            assertThat(relay.hasClient()).isTrue();
        }
    }

    private static long openDescriptors() {
        String[] names = new java.io.File("/proc/self/fd").list();
        return names == null ? 0 : names.length;
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
