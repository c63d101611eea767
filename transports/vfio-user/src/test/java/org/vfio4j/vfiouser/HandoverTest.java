package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;
import static org.vfio4j.vfiouser.DmaMessages.map;
import static org.vfio4j.vfiouser.DmaMessages.unmap;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.IoasLogging;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegistry;

/** A client that goes from one server to another and notices nothing. */
class HandoverTest {

    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final long IOVA = 0x10000;
    private static final int SIZE = 0x4000;

    private final Leaks before = Leaks.snapshot();
    private final FakeDevice device = new FakeDevice();
    private final FakeDevice otherDevice = new FakeDevice();
    private final Served served;

    HandoverTest() {
        device.logging = Optional.of(new IoasLogging());
        otherDevice.logging = Optional.of(new IoasLogging());
        served = new Served(device);
    }

    @AfterEach
    void close() {
        served.close();
        before.assertNone();
    }

    @Test
    void theOtherServerAnswersTheSameClient() {
        try (RawClient client = served.client()) {
            assertThat(client.call(RegionAccessTest.write(16, 0, 4, new byte[] {1, 2, 3, 4}))
                            .isError())
                    .isFalse();
            otherDevice.bar0.set(JAVA_INT, 16, 77);
            try (VfioUserServer other = handOver()) {
                assertThat(client.call(RegionAccessTest.read(16, 0, 4)).u32(16)).isEqualTo(77);
                assertThat(other.statistics().connections()).isEqualTo(1);
                assertThat(Served.errnoOf(client, RawClient.version(0, 1, "{}")))
                        .isEqualTo(EINVAL);
            }
            client.expectClosed();
        }
    }

    @Test
    void memoryConfigurationAndInterruptsGoAlong() throws IOException {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 2L * SIZE);
                Fd event = EventFd.create()) {
            call(client, map(READ_WRITE, 0, IOVA, SIZE), memory);
            call(client, map(READ_WRITE, SIZE, 4 * IOVA, SIZE), memory);
            call(client, map(READ_WRITE, 0, 8 * IOVA, SIZE), memory);
            call(client, unmap(24, 0, 8 * IOVA, SIZE));
            call(client, SetIrqsTest.eventFds(2, 7, 1), event);
            call(client, RegionAccessTest.write(0x10, 7, 4, new byte[] {0, 0, (byte) 0xe0, 0}));
            call(client, RegionAccessTest.write(PCI_COMMAND, 7, 2, new byte[] {PCI_COMMAND_MASTER, 4}));
            try (VfioUserServer other = handOver()) {
                IoAddressSpace space = otherDevice.space.orElseThrow();
                assertThat(space.size()).isEqualTo(2);
                write(space, 4 * IOVA + 8, 4711);
                assertThat(intAt(memory, SIZE + 8)).isEqualTo(4711);
                assertThat(otherDevice.config.get(JAVA_INT, 0x10)).isEqualTo(0x00e00000);
                assertThat(otherDevice.config.get(JAVA_BYTE, PCI_COMMAND)).isEqualTo((byte) PCI_COMMAND_MASTER);
                VfioIrqSet set = otherDevice.irqSets.getLast();
                assertThat(set.flags() & VFIO_IRQ_SET_DATA_EVENTFD).isNotZero();
                assertThat(set.start()).isEqualTo(7);
                EventFd.signal(otherDevice.eventFds.getFirst().value());
                assertThat(EventFd.drain(event.value())).isEqualTo(1);
                // The maps are the client's as before.
                call(client, unmap(24, 0, IOVA, SIZE));
                assertThat(space.size()).isEqualTo(1);
                assertThat(other.statistics().errors()).isZero();
            }
        }
    }

    @Test
    void aMessageThatHasHalfArrivedIsCompletedAtTheOther() throws IOException {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", SIZE)) {
            byte[] message = map(READ_WRITE, 0, IOVA, SIZE).toBytes();
            client.send(Arrays.copyOf(message, 20), memory);
            awaitReceived(20);
            try (VfioUserServer other = handOver()) {
                client.send(Arrays.copyOfRange(message, 20, message.length));
                assertThat(client.receive().isError()).isFalse();
                write(otherDevice.space.orElseThrow(), IOVA, 5);
                assertThat(intAt(memory, 0)).isEqualTo(5);
                assertThat(other.statistics().messages()).isEqualTo(1);
            }
        }
    }

    @Test
    void withoutAClientTheOtherLetsTheNextOneInAndRemovesTheSocket() {
        try (VfioUserServer other = handOver()) {
            try (RawClient client = served.client()) {
                assertThat(client.call(RegionAccessTest.read(16, 0, 4)).isError())
                        .isFalse();
            }
            assertThat(other.statistics().connections()).isEqualTo(1);
            assertThat(Files.exists(served.socket)).isTrue();
        }
        assertThat(Files.exists(served.socket)).isFalse();
    }

    @Test
    void aHandoverThatIsTakenBackChangesNothing() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", SIZE)) {
            call(client, map(READ_WRITE, 0, IOVA, SIZE), memory);
            served.server.handOver(LIMIT).close();
            client.send(RegionAccessTest.read(16, 0, 4));
            client.expectSilence(20_000_000);
            served.server.goOn();
            assertThat(client.receive().isError()).isFalse();
            assertThat(served.space().size()).isEqualTo(1);
        }
    }

    @Test
    void memoryByMessagesIsAskedForByTheOther() {
        try (RawClient client = served.client()) {
            call(client, map(READ_WRITE, 0, IOVA, SIZE));
            try (VfioUserServer other = handOver();
                    Arena arena = Arena.ofShared()) {
                MemorySegment buffer = arena.allocate(8);
                CompletableFuture<Integer> result = CompletableFuture.supplyAsync(() -> {
                    try (DmaWindow window = otherDevice.space.orElseThrow().openWindow()) {
                        window.enter();
                        int error = window.read(IOVA, buffer.address(), 8);
                        window.leave();
                        return error;
                    }
                });
                RawMessage asked = client.receive();
                assertThat(asked.command()).isEqualTo(VFIO_USER_DMA_READ);
                client.send(
                        RawMessage.reply(asked, new Payload().u64(IOVA).u64(8).u64(9)));
                assertThat(result.join()).isZero();
                assertThat(other.statistics().errors()).isZero();
            }
        }
    }

    @Test
    void eachOfManyWritesArrivesOnceWhileTheServersChange() {
        try (RawClient client = served.client()) {
            VfioUserServer now = served.server;
            for (int turn = 0; turn < 20; turn++) {
                for (int i = 0; i < 50; i++) {
                    client.send(RegionAccessTest.write(0, 0, 4, new byte[4]));
                }
                now = handOver(now, turn % 2 == 0 ? otherDevice : device);
                for (int i = 0; i < 50; i++) {
                    assertThat(client.receive().isError()).isFalse();
                }
            }
            now.close();
        }
        // What restoring the configuration writes is not the client's.
        assertThat(device.barWrites() + otherDevice.barWrites()).isEqualTo(1000);
    }

    @Test
    void isRefusedWhileTheDeviceIsMigrated() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", SIZE)) {
            call(client, map(READ_WRITE, 0, IOVA, SIZE), memory);
            DmaUnmapTest.startLogging(client);
            assertThatThrownBy(() -> served.server.handOver(LIMIT))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EBUSY));
            assertThat(client.call(RegionAccessTest.read(16, 0, 4)).isError()).isFalse();
        }
    }

    @Test
    void isRefusedForAClientWithMemoryInMoreFilesThanAreKept() {
        try (RawClient client = served.client()) {
            for (int i = 0; i <= MemoryFiles.MAX_FILES; i++) {
                try (Fd memory = MemFd.create("guest", SIZE)) {
                    call(client, map(READ_WRITE, 0, IOVA + (long) i * SIZE, SIZE), memory);
                }
            }
            assertThatThrownBy(() -> served.server.handOver(LIMIT))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EOPNOTSUPP));
            call(client, unmap(24, 0, IOVA + (long) MemoryFiles.MAX_FILES * SIZE, SIZE));
            served.server.handOver(LIMIT).close();
            served.server.goOn();
        }
    }

    @Test
    void aRecordThatIsCutShortOrOfAnotherDeviceIsRefusedAndTheOldServerGoesOn() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", SIZE);
                Fd event = EventFd.create()) {
            call(client, map(READ_WRITE, 0, IOVA, SIZE), memory);
            call(client, SetIrqsTest.eventFds(2, 0, 1), event);
            try (ServerHandover handover = served.server.handOver(LIMIT);
                    LocalDeviceFile file = open(otherDevice)) {
                for (int length = 0; length < handover.record().length; length++) {
                    refused(new ServerHandover(Arrays.copyOf(handover.record(), length), duplicates(handover)), file);
                }
                otherDevice.config.set(JAVA_INT, 0, 0x12345678);
                refused(new ServerHandover(handover.record(), duplicates(handover)), file);
                refused(new ServerHandover(handover.record(), List.of()), file);
                List<Fd> more = new ArrayList<>(duplicates(handover));
                more.add(event.dup());
                refused(new ServerHandover(handover.record(), more), file);
            }
            served.server.goOn();
            assertThat(client.call(RegionAccessTest.read(16, 0, 4)).isError()).isFalse();
            assertThat(served.space().size()).isEqualTo(1);
        }
    }

    private void refused(ServerHandover handover, LocalDeviceFile file) {
        assertThatThrownBy(() -> VfioUserServer.takeOver(served.loop, handover, file, VfioUserServerOptions.DEFAULTS))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
        assertThat(handover.fds()).noneMatch(Fd::isOpen);
        assertThat(file.space()).isEmpty();
    }

    private static List<Fd> duplicates(ServerHandover handover) {
        return handover.fds().stream().map(Fd::dup).toList();
    }

    private VfioUserServer handOver() {
        return handOver(served.server, otherDevice);
    }

    private VfioUserServer handOver(VfioUserServer from, FakeDevice to) {
        ServerHandover handover = from.handOver(LIMIT);
        VfioUserServer other = VfioUserServer.takeOver(served.loop, handover, open(to), VfioUserServerOptions.DEFAULTS);
        from.leaveToOther();
        other.startTakenOver();
        return other;
    }

    private static LocalDeviceFile open(FakeDevice device) {
        VfioRegistry registry = new VfioRegistry();
        registry.register(device, () -> () -> {}, "0000:08:00.0");
        return registry.open("vfio0");
    }

    private void awaitReceived(long bytes) {
        long first = served.server.statistics().bytesReceived();
        while (served.server.statistics().bytesReceived() - first < bytes && first < bytes) {
            Thread.onSpinWait();
        }
    }

    private static void call(RawClient client, RawMessage message, Fd... fds) {
        assertThat(client.call(message, fds).isError()).as("%s", message).isFalse();
    }

    private static void write(IoAddressSpace space, long iova, int value) {
        try (DmaWindow window = space.openWindow();
                Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocateFrom(JAVA_INT, value);
            window.enter();
            assertThat(window.write(iova, data.address(), Integer.BYTES)).isZero();
            window.leave();
        }
    }

    private static int intAt(Fd memory, long offset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(JAVA_INT);
            assertThat(FileIo.pread(memory.value(), data.address(), Integer.BYTES, offset))
                    .isEqualTo(Integer.BYTES);
            return data.get(JAVA_INT, 0);
        }
    }
}
