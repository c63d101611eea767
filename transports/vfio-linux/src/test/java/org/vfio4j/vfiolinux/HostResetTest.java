package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.LogLines;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Hardware that cannot be reset as its client leaves is not given to the next. */
@Timeout(60)
class HostResetTest {

    private static final int PAGE = 4096;
    private static final int LIMIT_S = 30;
    private static final int MSIX = VFIO_PCI_MSIX_IRQ_INDEX;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final FakeHost host = new FakeHost();
    private final EventLoop loop = new EventLoop();
    private final LogLines lines = new LogLines(LocalDeviceFile.class);
    private HostMachine machine;

    @BeforeEach
    void begin() {
        machine = new HostMachine(host);
    }

    @AfterEach
    void end() {
        lines.close();
        loop.close();
        machine.close();
        before.assertNone();
    }

    @Test
    void theNextClientIsRefusedUntilAResetSucceeds() throws InterruptedException {
        try (VfioUserServer server = listen()) {
            host.resetFailure = Errno.ENOTTY;
            connect().close();
            assertThat(lines.next()).contains("(0000:03:00.0)", "no other user gets it", "VFIO_DEVICE_RESET: ENOTTY");
            for (int i = 0; i < 3; i++) {
                assertThatThrownBy(this::connect)
                        .isInstanceOfSatisfying(
                                ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOTTY));
            }
            host.log.clear();
            host.resetFailure = 0;
            try (VfioUserClient client = connect()) {
                assertThat(host.log).containsExactly("reset");
                assertThat(lines.next()).contains("(0000:03:00.0)", "nothing of its last user is left");
                assertThat(id(client)).isEqualTo(0x1b36);
            }
            connect().close();
            assertThat(server.statistics().connections()).isEqualTo(6);
        }
    }

    @Test
    void allElseOfTheClientIsGone() throws InterruptedException {
        try (VfioUserServer server = listen();
                Fd memory = MemFd.create("guest", PAGE);
                Fd event = EventFd.create()) {
            try (VfioUserClient client = connect()) {
                client.dmaMap(0x10000, PAGE, DmaSpace.READ | DmaSpace.WRITE, memory, 0);
                client.setIrqs(VfioIrqSet.eventFds(
                        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 1, List.of(event.dup())));
                assertThat(host.triggers).containsKey(MSIX);
                host.resetFailure = Errno.EIO;
            }
            lines.next();
            assertThat(host.log).contains("unmap 10000 1000", "unmap all");
            assertThat(host.triggers).doesNotContainKey(MSIX);
            assertThat(server.statistics().connections()).isEqualTo(1);
        }
    }

    @Test
    void aServerEndsWhoseDeviceNobodyGets() throws InterruptedException {
        try (VfioUserServer server = listen()) {
            host.resetFailure = Errno.EIO;
            connect().close();
            lines.next();
            assertThat(server.statistics().connections()).isEqualTo(1);
        }
        assertThatThrownBy(() -> machine.open().close()).hasMessageContaining("VFIO_DEVICE_RESET");
        host.resetFailure = 0;
        machine.open().close();
    }

    @Test
    void aClientThatIsRefusedAndAsksForNothingIsLikeAnyOther() throws InterruptedException {
        try (VfioUserServer server = listen()) {
            host.resetFailure = Errno.EIO;
            connect().close();
            lines.next();
            Semaphore tried = new Semaphore(0);
            host.onReset = tried::release;
            for (int i = 0; i < 3; i++) {
                RawClient silent = RawClient.connect(directory.resolve("s"));
                assertThat(tried.tryAcquire(LIMIT_S, TimeUnit.SECONDS)).isTrue();
                silent.close();
            }
            host.resetFailure = 0;
            connect().close();
            assertThat(server.statistics().connections()).isEqualTo(5);
        }
    }

    @Test
    void aServerEndsWhileTheResetIsTriedAgain() throws InterruptedException {
        CountDownLatch resetting = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        try (VfioUserServer server = listen()) {
            host.resetFailure = Errno.EIO;
            connect().close();
            lines.next();
            host.resetFailure = 0;
            host.onReset = () -> {
                resetting.countDown();
                await(go);
            };
            try (RawClient waiting = RawClient.connect(directory.resolve("s"))) {
                await(resetting);
                Thread closing = Thread.ofPlatform().start(server::close);
                awaitClosing(closing);
                waiting.send(RawClient.version(0, 1, "{}"));
                assertThat(closing.isAlive()).isTrue();
                go.countDown();
                assertThat(closing.join(Duration.ofSeconds(LIMIT_S))).isTrue();
            }
        }
        assertThat(directory.resolve("s")).doesNotExist();
    }

    @Test
    void memoryOfTheLastUserIsUnmappedBeforeTheNextHasAny() {
        try (LocalDeviceFile file = machine.open();
                IoAddressSpace first = new IoAddressSpace(4);
                IoAddressSpace second = new IoAddressSpace(4)) {
            file.attach(first);
            host.unmapAllFailure = Errno.EIO;
            assertThatThrownBy(file::detach).hasMessageContaining("VFIO_IOMMU_UNMAP_DMA");
            assertThatThrownBy(() -> file.attach(second)).rootCause().hasMessageContaining("VFIO_IOMMU_UNMAP_DMA");
            host.unmapAllFailure = 0;
            host.log.clear();
            file.attach(second);
            assertThat(host.log).containsExactly("unmap all", "reset");
            file.detach();
        }
    }

    @Test
    void theNextClientIsRefusedUntilMemoryOfTheLastIsUnmapped() throws InterruptedException {
        try (VfioUserServer server = listen()) {
            host.unmapAllFailure = Errno.EIO;
            connect().close();
            assertThat(lines.next()).contains("no other user gets it", "VFIO_IOMMU_UNMAP_DMA: EIO");
            assertThatThrownBy(this::connect)
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EIO));
            host.unmapAllFailure = 0;
            connect().close();
            assertThat(server.statistics().connections()).isEqualTo(3);
        }
    }

    @Test
    void whatTheKernelTakesAwayIsNotResetAndThatIsSaidOnce() throws InterruptedException {
        try (LogLines closing = new LogLines(VfioUserServer.class)) {
            try (VfioUserServer server = listen()) {
                VfioUserClient client = connect();
                takeAway();
                assertThatThrownBy(client::reset)
                        .isInstanceOfSatisfying(
                                ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EAGAIN));
                client.close();
                assertThat(lines.next())
                        .contains("is not reset: the kernel takes it away", "devices/0000:03:00.0/reset: EAGAIN");
                server.closeAfterClient();
            }
            assertThat(lines.rest()).isEmpty();
            assertThat(closing.rest()).isEmpty();
        }
    }

    @Test
    void soItIsWithoutAClient() throws InterruptedException {
        try (LogLines closing = new LogLines(VfioUserServer.class)) {
            listenAndTakeAway();
            assertThat(closing.next()).contains("(0000:03:00.0)", "is not reset: the kernel takes it away");
            assertThat(closing.rest()).isEmpty();
            assertThat(lines.rest()).isEmpty();
        }
    }

    private void listenAndTakeAway() {
        try (VfioUserServer server = listen()) {
            takeAway();
            assertThat(server.closeAfterClient()).isFalse();
        }
    }

    /** The kernel wants it back, and holds the lock meanwhile that a reset needs. */
    private void takeAway() {
        CountDownLatch asked = new CountDownLatch(1);
        machine.function.onRequest(asked::countDown);
        host.interrupt(VFIO_PCI_REQ_IRQ_INDEX, 0);
        await(asked);
        host.resetFailure = Errno.EAGAIN;
    }

    private VfioUserServer listen() {
        return VfioUserServer.listen(loop, directory.resolve("s"), machine.open(), VfioUserServerOptions.DEFAULTS);
    }

    private VfioUserClient connect() {
        return VfioUserClient.connect(directory.resolve("s"), VfioUserClientOptions.DEFAULTS);
    }

    /** It waits by then, and the loop has been told. */
    private void awaitClosing(Thread closing) {
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        CountDownLatch told = new CountDownLatch(1);
        loop.execute(told::countDown);
        await(told);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(LIMIT_S, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static int id(VfioUserClient client) {
        byte[] id = new byte[2];
        client.read(VFIO_PCI_CONFIG_REGION_INDEX, 0, MemorySegment.ofArray(id), 0, id.length);
        return (id[0] & 0xff) | (id[1] & 0xff) << 8;
    }
}
