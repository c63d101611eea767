package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.uapi.Vfio.*;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.uapi.Vfio.FeatureDmaLoggingControl;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** The memory of a client, on its way to the IOMMU: over a socket, through vfio-pci. */
class HostDmaTest {

    private static final int PAGE = 4096;
    private static final int READ_WRITE = READ | WRITE;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final FakeHost host = new FakeHost();
    private final EventLoop loop = new EventLoop();
    private final Fd memory = MemFd.create("guest", 4 * PAGE);
    private HostMachine machine;
    private VfioUserServer server;
    private VfioUserClient client;

    @BeforeEach
    void connect() {
        machine = new HostMachine(host);
        Path socket = directory.resolve("s");
        server = VfioUserServer.listen(loop, socket, machine.open(), VfioUserServerOptions.DEFAULTS);
        client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
        host.log.clear();
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        loop.close();
        machine.close();
        memory.close();
        before.assertNone();
    }

    @Test
    void whatTheClientMapsIsMappedThereBeforeItIsAnswered() {
        client.dmaMap(0x10000, 2 * PAGE, READ_WRITE, memory, PAGE);
        assertThat(host.log).containsExactly("map 10000 2000 3 from 1000");
        client.dmaMap(0x20000, PAGE, READ, memory, 0);
        client.dmaUnmap(0x10000, 2 * PAGE);
        assertThat(host.log)
                .containsExactly("map 10000 2000 3 from 1000", "map 20000 1000 1 from 0", "unmap 10000 2000");
    }

    @Test
    void whatTheKernelRefusesTheClientHearsAndNothingOfItIsLeft() {
        for (int errno : List.of(Errno.ENOMEM, Errno.EEXIST, Errno.EINVAL)) {
            host.mapFailure = errno;
            assertErrno(errno, () -> client.dmaMap(0x10000, PAGE, READ_WRITE, memory, 0));
        }
        host.mapFailure = 0;
        client.dmaMap(0x10000, PAGE, READ_WRITE, memory, 0);
        assertThat(host.log).containsExactly("map 10000 1000 3 from 0");
    }

    @Test
    void everythingIsTakenAwayWhenTheClientIsGone() {
        client.dmaMap(0x10000, PAGE, READ_WRITE, memory, 0);
        client.dmaMap(0x20000, PAGE, READ_WRITE, memory, 0);
        client.close();
        server.close();
        assertThat(host.log).contains("unmap 10000 1000", "unmap 20000 1000");
    }

    /** It would go on with the rings of the one that is gone in the memory of the next. */
    @Test
    void isResetBeforeAnotherClientComesAndNothingOfItsMemoryIsLeft() {
        client.dmaMap(0x10000, PAGE, READ_WRITE, memory, 0);
        host.log.clear();
        client.close();
        client = VfioUserClient.connect(directory.resolve("s"), VfioUserClientOptions.DEFAULTS);
        assertThat(host.log).containsSubsequence("unmap 10000 1000", "unmap all", "reset");
    }

    @Test
    void refusesMemoryWithoutADescriptorThatTheDeviceMayWrite() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment local = arena.allocate(PAGE, PAGE);
            assertErrno(Errno.EOPNOTSUPP, () -> client.dmaMap(0x10000, READ_WRITE, local));
            assertThat(host.log).isEmpty();
            client.dmaMap(0x10000, PAGE, READ_WRITE, memory, 0);
        }
    }

    @Test
    void takesFirmwareWithoutADescriptorAndMapsNothing() {
        try (Arena arena = Arena.ofConfined()) {
            client.dmaMap(0x10000, READ, arena.allocate(PAGE, PAGE));
            client.dmaUnmap(0x10000, PAGE);
            assertThat(host.log).isEmpty();
        }
    }

    @Test
    void refusesFilesThatSomebodyElseAnswersFor() throws IOException {
        Path file = Files.write(directory.resolve("disk"), new byte[PAGE]);
        try (Fd disk = FileIo.open(file, FileIo.O_RDWR)) {
            assertErrno(Errno.EOPNOTSUPP, () -> client.dmaMap(0x10000, PAGE, READ_WRITE, disk, 0));
            assertThat(host.log).isEmpty();
        }
    }

    @Test
    void doesNotSayWhatItHasWritten() {
        client.dmaMap(0x10000, PAGE, READ_WRITE, memory, 0);
        int start = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment control = arena.allocate(FeatureDmaLoggingControl.SIZEOF);
            assertErrno(Errno.ENOTTY, () -> client.feature(start, control));
            assertErrno(Errno.EINVAL, () -> client.dmaUnmap(0x10000, PAGE, PAGE, arena.allocate(8)));
        }
        client.dmaUnmap(0x10000, PAGE);
        assertThat(host.log).endsWith("unmap 10000 1000").hasSize(2);
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
