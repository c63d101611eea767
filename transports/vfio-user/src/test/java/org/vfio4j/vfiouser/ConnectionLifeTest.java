package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_INTX_DISABLE;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.vfiouser.DmaMessages.READ;
import static org.vfio4j.vfiouser.DmaMessages.map;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;

/** Connects and disconnects (vfio-user specification, "Socket Disconnection Behavior"), and the socket's file. */
class ConnectionLifeTest {

    private final Leaks before = Leaks.snapshot();
    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
        before.assertNone();
    }

    @Test
    void disconnectDropsWhatTheClientGaveAndKeepsTheDevicesState() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000);
                Fd event = EventFd.create()) {
            assertThat(client.call(map(READ, 0, 0, 0x4000), memory).isError()).isFalse();
            assertThat(client.call(SetIrqsTest.eventFds(2, 0, 1), event).isError())
                    .isFalse();
            assertThat(client.call(RegionAccessTest.write(16, 0, 4, new byte[] {1, 2, 3, 4}))
                            .isError())
                    .isFalse();
        }
        try (RawClient next = served.client()) {
            assertThat(served.device.eventFds).isEmpty();
            assertThat(served.space().size()).isZero();
            assertThat(next.call(RegionAccessTest.read(16, 0, 4)).u32(16)).isEqualTo(0x04030201);
            assertThat(served.device.resets).hasValue(0);
        }
    }

    @Test
    void aClientFindsADeviceThatDecodesAndMastersNothingWhateverTheLastOneLeft() {
        try (RawClient client = served.client()) {
            assertThat(client.call(RegionAccessTest.write(PCI_COMMAND, 7, 2, new byte[] {PCI_COMMAND_MASTER, 4}))
                            .isError())
                    .isFalse();
        }
        try (RawClient next = served.client()) {
            assertThat(next.call(RegionAccessTest.read(PCI_COMMAND, 7, 4)).u32(16))
                    .isEqualTo(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
        }
    }

    @Test
    void aClientThatCannotBeWatchedLeavesTheDeviceToTheNext(@TempDir Path directory) throws IOException {
        VfioRegistry registry = new VfioRegistry();
        registry.register(new FakeDevice(), () -> () -> {}, "0000:08:00.0");
        // The kernel refuses to watch a file that is no socket.
        Fd unwatchable = FileIo.open(Files.createFile(directory.resolve("file")), FileIo.O_RDWR);
        try (LocalDeviceFile file = registry.open("vfio0")) {
            Connection connection = new Connection(
                    served.loop,
                    unwatchable,
                    file,
                    VfioUserServerOptions.DEFAULTS,
                    Optional.empty(),
                    new Counters(),
                    new PeerLog("test"),
                    () -> {});
            CompletableFuture<Void> started = new CompletableFuture<>();
            served.loop.execute(() -> {
                try {
                    connection.start();
                    started.complete(null);
                } catch (RuntimeException e) {
                    started.completeExceptionally(e);
                }
            });
            assertThatThrownBy(started::join).hasRootCauseInstanceOf(ErrnoException.class);
            assertThat(file.space()).isEmpty();
            assertThat(unwatchable.isOpen()).isFalse();
        }
    }

    @Test
    void aSecondClientWaitsForTheFirstToLeave() {
        RawClient first = served.client();
        try (RawClient second = RawClient.connect(served.socket)) {
            second.send(RawClient.version(0, 1, "{}"));
            second.expectSilence(50_000_000);
            assertThat(first.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
            first.close();
            assertThat(second.receive().isError()).isFalse();
        }
    }

    @Test
    void aHundredClientsLeaveNothingBehind() {
        try (Fd memory = MemFd.create("guest", 0x4000);
                Fd event = EventFd.create()) {
            served.client().close();
            Leaks warm = Leaks.snapshot();
            for (int i = 0; i < 100; i++) {
                try (RawClient client = served.client()) {
                    client.call(map(READ, 0, 0, 0x4000), memory);
                    client.call(SetIrqsTest.eventFds(2, 0, 2), event, event);
                }
            }
            warm.assertNone();
        }
        assertThat(served.server.statistics().connections()).isEqualTo(101);
    }

    @Test
    void clientsThatLeaveInTheMiddleOfAMessageLeaveNothingBehind() {
        byte[] message = map(READ, 0, 0, 0x4000).toBytes();
        try (Fd memory = MemFd.create("guest", 0x4000)) {
            served.client().close();
            Leaks warm = Leaks.snapshot();
            for (int length = 1; length < message.length; length++) {
                try (RawClient client = served.client()) {
                    client.send(Arrays.copyOf(message, length), memory);
                }
            }
            warm.assertNone();
        }
        served.client().close();
    }

    @Test
    void commandsSentJustBeforeLeavingAreCarriedOut() {
        try (RawClient client = served.client()) {
            for (int i = 0; i < 100; i++) {
                client.send(RegionAccessTest.write(0, 0, 4, new byte[] {(byte) i, 0, 0, 0})
                        .withFlags(0x10));
            }
        }
        try (RawClient next = served.client()) {
            assertThat(served.device.bar0.get(JAVA_INT, 0)).isEqualTo(99);
            assertThat(next.call(RegionAccessTest.read(0, 0, 4)).u32(16)).isEqualTo(99);
        }
    }

    @Test
    void closingTheServerEndsTheConnectionAndRemovesTheSocket() {
        try (RawClient client = served.client()) {
            served.server.close();
            client.expectClosed();
            assertThat(served.socket).doesNotExist();
            assertThatThrownBy(served::client).isInstanceOf(ErrnoException.class);
        }
    }

    @Test
    void closingTheServerKeepsAFileThatIsNotItsOwn(@TempDir Path directory) throws IOException {
        Path socket = directory.resolve("s");
        VfioUserServer server = Served.serve(served.loop, new FakeDevice(), socket, VfioUserServerOptions.DEFAULTS);
        Files.delete(socket);
        Files.writeString(socket, "somebody else's");
        server.close();
        assertThat(socket).hasContent("somebody else's");
    }

    @Test
    void refusesASocketInUseAndAFileInTheWay(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("f");
        Files.writeString(file, "mine");
        assertErrno(Errno.EADDRINUSE, served.socket);
        assertErrno(Errno.EEXIST, file);
        assertThat(file).hasContent("mine");
        served.client().close();
    }

    @Test
    void replacesTheSocketOfAServerThatDied(@TempDir Path directory) {
        Path socket = directory.resolve("s");
        UnixSocket.listen(socket, 1).close();
        assertThat(socket).exists();
        try (VfioUserServer server =
                        Served.serve(served.loop, new FakeDevice(), socket, VfioUserServerOptions.DEFAULTS);
                RawClient client = RawClient.negotiated(socket)) {
            assertThat(server.statistics().connections()).isEqualTo(1);
            assertThat(client.call(RegionAccessTest.read(0, 0, 4)).isError()).isFalse();
        }
    }

    @Test
    void servesASocketThatListensAlreadyAndLeavesItsFile(@TempDir Path directory) {
        Path socket = directory.resolve("s");
        Fd listening = UnixSocket.listen(socket, 1);
        VfioRegistry registry = new VfioRegistry();
        registry.register(new FakeDevice(), () -> () -> {}, "0000:09:00.0");
        try (VfioUserServer server =
                VfioUserServer.adopt(served.loop, listening, registry.open("vfio0"), VfioUserServerOptions.DEFAULTS)) {
            RawClient.negotiated(socket).close();
            assertThat(server.statistics().messages()).isEqualTo(1);
        }
        assertThat(socket).exists();
        assertThat(listening.isOpen()).isFalse();
    }

    @Test
    void anIdleLoopTakesNoTime() throws InterruptedException {
        try (RawClient client = served.client()) {
            client.call(RegionAccessTest.read(0, 0, 4));
            Thread thread = ThreadUse.threadNamed(served.loop.name());
            Thread.sleep(20);
            long started = ThreadUse.cpuNs(thread);
            Thread.sleep(300);
            long used = ThreadUse.cpuNs(thread) - started;
            assertThat(Duration.ofNanos(used)).isLessThan(Duration.ofMillis(5));
        }
    }

    private void assertErrno(int errno, Path socket) {
        assertThatThrownBy(() -> Served.serve(served.loop, new FakeDevice(), socket, VfioUserServerOptions.DEFAULTS))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
