package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The process that serves a guest's NVMe controller is killed. While the guest writes: the next one's controller has failed, which Linux finds
 * out when a request takes too long, and resets it. No write that the guest was told of is lost. While the guest sets it up: that goes on.
 */
@QemuTest
class GuestSupervisedNvmeTest {

    private static final int KILLS = 2;

    /** What Linux has written when it is about to enable the controller, and when it has identified it and is about to create queues. */
    private static final String[] LINES = {"pci function", "D3 entry latency"};

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

    /** Killed in the set-up: Linux, which would wait a minute for an answer before it resets the controller, goes on with the next one. */
    @ParameterizedTest
    @ValueSource(strings = {"doorbells=trapped", "doorbells=mapped"})
    void theGuestsDriverFinishesItsSetUpWithTheNextController(String doorbells) {
        Path image = Images.create(dir.resolve("nvme.img"), 64L * MIB);
        Path socket = dir.resolve("n.sock");
        try (VfioProcess server = VfioProcess.server()
                        .device("nvme", socket, "file=" + image, "queues=2", doorbells)
                        .option("--supervised")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(socket)
                        .option("--append", "nvme_core.admin_timeout=20")
                        .boot()) {
            NvmeDisks.name(guest, 1);
            // How long each line takes, about: it is killed before the next one.
            guest.sh("echo 5000 > /proc/sys/kernel/printk_delay");
            for (String line : LINES) {
                guest.sh("basename $(readlink /sys/class/nvme/nvme0/device) > /tmp/at;"
                        + " cd /sys/bus/pci/drivers/nvme; cat /tmp/at > unbind; dmesg -c > /dev/null");
                guest.sh("rm -f /tmp/bound; (cd /sys/bus/pci/drivers/nvme; cat /tmp/at > bind; touch /tmp/bound)"
                        + " > /dev/null 2>&1 &");
                guest.sh("until dmesg | grep -q '" + line + "'; do sleep 0.01; done", LIMIT);
                assertThat(server.supervised().destroyForcibly()).isTrue();
                server.awaitLine("serves where the other did", LIMIT);
                guest.sh("while [ ! -e /tmp/bound ] || [ ! -b /dev/nvme0n1 ]; do sleep 0.1; done", LIMIT);
                guest.sh("dd if=/dev/nvme0n1 of=/dev/null bs=1M count=16 status=none", LIMIT);
                assertThat(guest.sh("dmesg | grep -E 'nvme nvme0: .*(timeout|down|fail)' || true"))
                        .isEmpty();
            }
            guest.powerOff();
            server.stop();
        }
    }

    private static void awaitMore(QemuGuest guest) {
        int written = Integer.parseInt(guest.sh("cat /tmp/sums/all 2>/dev/null | wc -l"));
        guest.sh("while [ $(cat /tmp/sums/all | wc -l) -le " + (written + 2) + " ]; do sleep 0.1; done", LIMIT);
    }
}
