package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file system on a served disk outlives guests, of which some end badly; the server runs on. */
@QemuTest
class GuestFilesystemTest {

    private static final Duration LIMIT = Duration.ofSeconds(60);

    @TempDir
    private Path dir;

    @Test
    void theNextGuestFindsTheFilesOfTheLast() {
        Path image = Images.create(dir.resolve("disk.img"), 128L * MIB);
        Path socket = dir.resolve("disk.sock");
        try (VfioProcess server =
                VfioProcess.server().disk(socket, "file=" + image).start()) {
            String sums;
            try (QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
                makeAndMount(guest);
                guest.sh("dd if=/dev/urandom of=/mnt/big bs=1M count=16 status=none");
                guest.sh(
                        "for i in $(seq 100); do cp /bin/busybox /mnt/small$i && truncate -s $((i * 1000)) /mnt/small$i; done");
                sums = guest.sh("sha256sum /mnt/big /mnt/small*");
                guest.sh("umount /mnt");
                guest.powerOff();
            }
            assertThat(Images.read(image, 1024 + 0x38, 2))
                    .as("magic of the superblock")
                    .isEqualTo(new byte[] {0x53, (byte) 0xEF});

            try (QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
                guest.sh("e2fsck -fn /dev/vda");
                guest.sh("mount /dev/vda /mnt");
                assertThat(guest.sh("sha256sum /mnt/big /mnt/small*")).isEqualTo(sums);

                long before = Images.allocatedBytes(image);
                guest.sh("rm /mnt/big && sync && fstrim /mnt");
                assertThat(Images.allocatedBytes(image)).isLessThan(before - 15L * MIB);
                guest.sh("umount /mnt && e2fsck -fn /dev/vda");
                guest.powerOff();
            }
            server.stop();
        }
    }

    @Test
    void whatWasSyncedOutlivesAGuestKilledWhileWriting() {
        Path image = Images.create(dir.resolve("disk.img"), 128L * MIB);
        Path socket = dir.resolve("disk.sock");
        try (VfioProcess server =
                VfioProcess.server().disk(socket, "file=" + image).start()) {
            List<String> synced = new ArrayList<>();
            try (QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
                makeAndMount(guest);
                guest.sh("(while :; do dd if=/dev/zero of=/mnt/noise bs=1M count=32 oflag=direct status=none; done) &");
                guest.send("i=0; while :; do i=$((i + 1)); dd if=/dev/urandom of=/mnt/f$i bs=16k count=4 conv=fsync"
                        + " status=none && sha256sum /mnt/f$i; done");
                while (synced.size() < 12) {
                    synced.add(guest.awaitLine("  /mnt/f", LIMIT));
                }
                guest.kill();
            }
            try (QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
                guest.sh("mount /dev/vda /mnt");
                List<String> files = synced.stream()
                        .map(line -> line.substring(line.indexOf("/mnt")))
                        .toList();
                assertThat(guest.sh("sha256sum " + String.join(" ", files)).lines())
                        .isEqualTo(synced);
                guest.sh("umount /mnt && e2fsck -fn /dev/vda");
                guest.powerOff();
            }
            server.stop();
        }
    }

    @Test
    void aGuestResetWhileItWritesComesBackAndUsesTheDisk() {
        Path image = Images.create(dir.resolve("disk.img"), 64L * MIB);
        Path socket = dir.resolve("disk.sock");
        byte[] expected = Images.pattern(5, 4 * MIB);
        Images.write(image, 0, expected);
        try (VfioProcess server = VfioProcess.server()
                        .disk(socket, "file=" + image, "queues=2")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(socket).option("--reboot").boot()) {
            for (int round = 0; round < 2; round++) {
                guest.sh("for i in 8 16 24 32; do (while :; do dd if=/dev/vda of=/dev/vda bs=256k count=16"
                        + " seek=$((i * 4)) iflag=direct oflag=direct status=none || break; done) & done");
                guest.sh("until read _ _ _ _ writes _ < /sys/block/vda/stat && [ $writes -ge 16 ]; do sleep 0.1; done");
                guest.monitor("system_reset");
                guest.awaitBoot();
                guest.sh("dd if=/dev/vda of=/dev/vda bs=1M count=4 seek=40 iflag=direct oflag=direct status=none");
                assertThat(Images.read(image, 40L * MIB, expected.length)).isEqualTo(expected);
                Images.write(image, 40L * MIB, new byte[expected.length]);
            }
            guest.powerOff();
            server.stop();
        }
    }

    @Test
    void aGuestOutlivesItsServerAndTheNextServerServesTheNextGuest() {
        Path image = Images.create(dir.resolve("disk.img"), 64L * MIB);
        Path socket = dir.resolve("disk.sock");
        try (VfioProcess server =
                        VfioProcess.server().disk(socket, "file=" + image).start();
                QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
            // Not in the middle of requests: QEMU 11.1 fails an assertion of its own when several fail at once.
            guest.sh("dd if=/dev/zero of=/dev/vda bs=1M count=16 oflag=direct status=none");
            server.kill();
            assertThat(guest.sh("echo still here; sleep 1; cat /proc/uptime")).contains("still here");
            assertThat(guest.isAlive()).isTrue();
            guest.kill();
        }
        try (VfioProcess server =
                        VfioProcess.server().disk(socket, "file=" + image).start();
                QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
            makeAndMount(guest);
            guest.sh("umount /mnt && e2fsck -fn /dev/vda");
            guest.powerOff();
            server.stop();
        }
    }

    private static void makeAndMount(QemuGuest guest) {
        guest.sh("mke2fs -q -t ext4 /dev/vda && mount /dev/vda /mnt");
    }
}
