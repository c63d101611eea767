package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The process that serves a guest's NVMe controller is killed while the guest writes: the next one's controller has failed, which Linux finds
 * out when a request takes too long, and resets it. No write that the guest was told of is lost.
 */
@QemuTest
class GuestSupervisedNvmeTest {

    private static final int KILLS = 2;
    private static final Duration LIMIT = Duration.ofSeconds(120);

    @TempDir
    private Path dir;

    @ParameterizedTest
    @ValueSource(strings = {"doorbells=trapped", "doorbells=mapped"})
    void theGuestsDriverResetsTheControllerAndGoesOn(String doorbells) {
        Path image = Images.create(dir.resolve("nvme.img"), 64L * MIB);
        Path socket = dir.resolve("n.sock");
        try (VfioProcess server = VfioProcess.server()
                        .device("nvme", socket, "file=" + image, "queues=2", doorbells)
                        .option("--supervised")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
            NvmeDisks.name(guest, 1);
            // Half a minute is what Linux gives a request otherwise.
            guest.sh("echo 3000 > /sys/block/nvme0n1/queue/io_timeout");
            guest.sh("mke2fs -q -t ext4 /dev/nvme0n1 && mkdir -p /mnt && mount /dev/nvme0n1 /mnt");
            guest.sh("mkdir /mnt/f /tmp/sums; (i=0; while [ ! -e /tmp/stop ]; do i=$((i + 1));"
                    + " dd if=/dev/urandom of=/mnt/f/$i bs=16k count=8 conv=fsync status=none || exit;"
                    + " (cd /mnt/f && sha256sum $i) >> /tmp/sums/all;"
                    + " [ $i -lt 200 ] || i=0; done; touch /tmp/stopped) > /tmp/log 2>&1 &");
            for (int i = 0; i < KILLS; i++) {
                awaitMore(guest);
                assertThat(server.supervised().destroyForcibly()).isTrue();
                server.awaitLine("has ended with 137", LIMIT);
                System.out.println(server.awaitLine("serves where the other did", LIMIT));
            }
            awaitMore(guest);
            guest.sh("touch /tmp/stop; while [ ! -e /tmp/stopped ]; do sleep 0.1; done", LIMIT);
            assertThat(guest.sh("cat /tmp/log")).isEmpty();
            assertThat(Integer.parseInt(guest.sh("dmesg | grep -c 'controller is down; will reset'")))
                    .isGreaterThanOrEqualTo(KILLS);
            assertThat(guest.sh("cat /sys/class/nvme/nvme0/state")).isEqualTo("live");
            guest.sh("umount /mnt && e2fsck -fn /dev/nvme0n1 && mount /dev/nvme0n1 /mnt", LIMIT);
            guest.sh("(cd /mnt/f && tac /tmp/sums/all | sort -u -k2,2 -s | sha256sum -c > /tmp/check 2>&1)", LIMIT);
            assertThat(guest.sh("grep -vc ': OK' /tmp/check || true")).isEqualTo("0");
            assertThat(guest.sh("dmesg | grep -ci 'i/o error' || true")).isEqualTo("0");
            guest.sh("umount /mnt");
            guest.powerOff();
            server.stop();
        }
    }

    private static void awaitMore(QemuGuest guest) {
        int written = Integer.parseInt(guest.sh("cat /tmp/sums/all 2>/dev/null | wc -l"));
        guest.sh("while [ $(cat /tmp/sums/all | wc -l) -le " + (written + 2) + " ]; do sleep 0.1; done", LIMIT);
    }
}
