package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiolinux.LinuxPciFunction;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * A disk that is hardware to its server: all memory that QEMU has for a machine goes to where the IOMMU would have it, firmware and the
 * pieces that it is cut into at boot included. What stands for the kernel is the open device of another core.
 */
@QemuTest
@Timeout(300)
class GuestHardwareDiskTest {

    @TempDir
    private Path dir;

    @ParameterizedTest
    @ValueSource(strings = {"quiet", "pci=nomsi"})
    void aGuestReadsWhatItHasWritten(String kernel) {
        Path socket = dir.resolve("s.sock");
        VfioRegistry registry = new VfioRegistry();
        EventLoop loop = new EventLoop();
        try (LocalDisk disk = new LocalDisk(new MemoryBackend(16 << 20));
                LinuxPciFunction function = new LinuxPciFunction("0000:03:00.0", disk.open(), false)) {
            VfioDevice device =
                    registry.register(new VfioPciCore("vfio-pci", function), () -> () -> {}, "0000:03:00.0");
            try (VfioUserServer server =
                            VfioUserServer.listen(loop, socket, device.open(), VfioUserServerOptions.DEFAULTS);
                    QemuGuest guest = QemuGuest.withDisks(socket)
                            .option("--append", kernel)
                            .boot()) {
                guest.sh("dd if=/dev/urandom of=/data bs=1M count=4 status=none");
                guest.sh("dd if=/data of=/dev/vda bs=64k oflag=direct conv=fsync status=none");
                guest.sh("dd if=/dev/vda bs=64k count=64 iflag=direct status=none | cmp - /data");
                guest.powerOff();
                assertThat(server.statistics().connections()).isEqualTo(1);
            }
            registry.unregister(device, Duration.ofSeconds(10));
        } finally {
            loop.close();
        }
    }
}
