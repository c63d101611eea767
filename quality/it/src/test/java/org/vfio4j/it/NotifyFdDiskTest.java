package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR4_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.EventFd;
import org.vfio4j.userspace.virtioblk.VirtioBlkDisk;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A disk whose driver notifies by the eventfds that the server offers, as a hypervisor's kernel would for a guest. */
class NotifyFdDiskTest {

    private static final int NOTIFY_REGISTERS = 0x3000;
    private static final int BYTES = 8192;

    @TempDir
    private Path directory;

    private final AtomicInteger signals = new AtomicInteger();

    @Test
    void aDiskWorksWithoutASingleWriteToItsNotificationRegister() {
        Path socket = directory.resolve("s");
        EventLoop loop = new EventLoop();
        try (LocalDisk disk = new LocalDisk();
                VfioUserServer server =
                        VfioUserServer.listen(loop, socket, disk.openFile(), VfioUserServerOptions.DEFAULTS);
                VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
                Arena arena = Arena.ofConfined()) {
            try (VirtioBlkDriver driver = VirtioBlkDriver.open(notifyingByEventFd(client), VirtioBlkOptions.DEFAULTS)) {
                VirtioBlkDisk used = new VirtioBlkDisk(driver, 0);
                MemorySegment written = arena.allocate(BYTES).fill((byte) 0x5a);
                MemorySegment read = arena.allocate(BYTES);
                used.write(4096, written);
                used.flush();
                used.read(4096, read);
                assertThat(read.mismatch(written)).isEqualTo(-1);
            }
            assertThat(signals.get()).isPositive();
            assertThat(server.statistics().connections()).isEqualTo(1);
        } finally {
            loop.close();
        }
    }

    private VfioDeviceFile notifyingByEventFd(VfioUserClient client) {
        VfioIoEventFd register = client.ioEventFds(VFIO_PCI_BAR4_REGION_INDEX).getFirst();
        assertThat(register.offset()).isEqualTo(NOTIFY_REGISTERS);
        return BrokenDevice.of(client, call -> {
            if (call.is("write", VFIO_PCI_BAR4_REGION_INDEX) && call.wide(1) >= NOTIFY_REGISTERS) {
                EventFd.signal(register.fd().value());
                signals.incrementAndGet();
                return null;
            }
            return call.proceed();
        });
    }
}
