package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scalable functions of a DPU are a Linux guest's disks: one for its virtio driver, one for its NVMe driver. */
@QemuTest
class GuestScalableFunctionTest {

    private static final Duration START = Duration.ofSeconds(60);
    private static final String PARENT = "0000:07:00.0";
    private static final String A = "83b8f4f2-509f-382f-3c1e-e6bfe0fa2001";
    private static final String B = "83b8f4f2-509f-382f-3c1e-e6bfe0fa2002";
    private static final int AT = 5 * MIB;

    @TempDir
    private Path dir;

    @Test
    void theGuestWritesAndReadsWhatIsInTheirStorage() throws IOException {
        Path storage = Files.createDirectory(dir.resolve("storage"));
        try (VfioProcess server = VfioProcess.start(
                List.of("serve", "bluefield", "sfs=2", "sf-storage=" + storage, "--address", PARENT))) {
            server.awaitLine("lspci: ", START);
            Path a = start(server, A, "virtio_blk_small");
            Path b = start(server, B, "nvme_small");
            byte[] pattern = Images.pattern(1, MIB);
            Images.write(storage.resolve(A + ".img"), 0, pattern);
            try (QemuGuest guest = QemuGuest.withDisks(a, b).boot()) {
                NvmeDisks.name(guest, 1);
                assertThat(guest.sh("blockdev --getsize64 /dev/vda /dev/nvme0n1"))
                        .isEqualTo(64L * MIB + "\n" + 64L * MIB);
                assertThat(guest.sh("cat /sys/block/vda/serial")).isEqualTo("83b8f4f2509f382f3c1e");
                guest.sh("dd if=/dev/vda of=/dev/nvme0n1 bs=1M count=1 seek=" + AT / MIB
                        + " iflag=direct oflag=direct conv=fsync status=none");
                assertThat(guest.sh("dd if=/dev/nvme0n1 bs=1M count=1 skip=" + AT / MIB
                                + " iflag=direct status=none | sha256sum"))
                        .startsWith(Images.sha256(pattern));
                assertThat(Images.read(storage.resolve(B + ".img"), AT, MIB)).isEqualTo(pattern);
                guest.powerOff();
            }
            server.stop();
        }
    }

    private Path start(VfioProcess server, String uuid, String type) {
        Path socket = dir.resolve(uuid + ".sock");
        VfioProcess.run(
                "mdev",
                "start",
                "--uuid",
                uuid,
                "--parent",
                PARENT,
                "--type",
                "mlx5_core-" + type,
                "--socket-path",
                socket.toString(),
                "--server",
                Long.toString(server.pid()));
        return socket;
    }
}
