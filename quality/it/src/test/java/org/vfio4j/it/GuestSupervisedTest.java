package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The process that serves a guest's disks is killed, and replaced in good order, while the guest writes and verifies: QEMU, which knows
 * nothing of it, stays connected, no write that the guest was told of is lost, and its file system is clean.
 */
@QemuTest
class GuestSupervisedTest {

    private static final int KILL_EACH = 4;
    private static final int UPGRADE_EACH = 5;
    private static final Duration LIMIT = Duration.ofSeconds(120);

    @TempDir
    private Path dir;

    /** Where the disks come from. */
    private enum Disks {
        /** The server's own. */
        PLAIN(13),
        /** Emulated by a DPU, behind its two network functions. */
        OF_A_DPU(7);

        private final int replacements;

        Disks(int replacements) {
            this.replacements = replacements;
        }

        VfioProcess.Builder server(Path image, Path disk, Path scratch) {
            VfioProcess.Builder server = VfioProcess.server();
            boolean dpu = this == OF_A_DPU;
            if (dpu) {
                server.option("bluefield", "--address", "0000:00:04.0", "+");
            }
            server.disk(disk, "file=" + image, "queues=2");
            if (dpu) {
                server.option("--emulated-by", "0000:00:04.0");
            }
            server.disk(scratch, "memory=32M");
            if (dpu) {
                server.option("--emulated-by", "0000:00:04.1");
            }
            return server.option("--supervised");
        }
    }

    @ParameterizedTest
    @EnumSource
    void aGuestThatWritesAndVerifiesSurvivesKillsAndReplacements(Disks disks) {
        Path image = Images.create(dir.resolve("disk.img"), 128L * MIB);
        Path disk = dir.resolve("a.sock");
        Path scratch = dir.resolve("b.sock");
        try (VfioProcess server = disks.server(image, disk, scratch).start();
                QemuGuest guest = QemuGuest.withDisks(disk, scratch).boot()) {
            guest.sh("mke2fs -q -t ext4 /dev/vda && mkdir -p /mnt && mount /dev/vda /mnt");
            guest.sh("dd if=/dev/urandom of=/dev/vdb bs=1M count=32 oflag=direct status=none");
            String sum = guest.sh("sha256sum < /dev/vdb");
            guest.sh("mkdir /mnt/f /tmp/sums; (i=0; while [ ! -e /tmp/stop ]; do i=$((i + 1));"
                    + " dd if=/dev/urandom of=/mnt/f/$i bs=16k count=8 conv=fsync status=none || exit;"
                    + " (cd /mnt/f && sha256sum $i) >> /tmp/sums/all; sha256sum < /dev/vdb >> /tmp/sums/b;"
                    + " [ $i -lt 400 ] || i=0; done; touch /tmp/stopped) > /tmp/log 2>&1 &");
            for (int i = 1; i <= disks.replacements; i++) {
                int written = written(guest);
                replace(server, i);
                awaitMore(guest, written);
            }
            guest.sh("touch /tmp/stop; while [ ! -e /tmp/stopped ]; do sleep 0.1; done", LIMIT);
            assertThat(guest.sh("cat /tmp/log")).isEmpty();
            assertThat(guest.sh("sort -u /tmp/sums/b")).isEqualTo(sum);
            // The last sum of each file is the one that holds, and holds also when nothing is cached.
            guest.sh("umount /mnt && e2fsck -fn /dev/vda && mount /dev/vda /mnt", LIMIT);
            guest.sh("(cd /mnt/f && tac /tmp/sums/all | sort -u -k2,2 -s | sha256sum -c > /tmp/check 2>&1)", LIMIT);
            assertThat(guest.sh("grep -vc ': OK' /tmp/check || true")).isEqualTo("0");
            assertThat(guest.sh("dmesg | grep -ci 'i/o error' || true")).isEqualTo("0");
            guest.sh("umount /mnt");
            guest.powerOff();
            server.stop();
        }
    }

    /** Kills it, upgrades it, or tells it to end. */
    private static void replace(VfioProcess server, int number) {
        ProcessHandle running = server.supervised();
        boolean kill = number % KILL_EACH == KILL_EACH - 1;
        if (kill) {
            assertThat(running.destroyForcibly()).isTrue();
        } else if (number % UPGRADE_EACH == 0) {
            VfioProcess.run("upgrade", Long.toString(running.pid()));
        } else {
            assertThat(running.destroy()).isTrue();
        }
        server.awaitLine("has ended with " + (kill ? 137 : 0), LIMIT);
        System.out.println(server.awaitLine("serves where the other did", LIMIT));
    }

    private static int written(QemuGuest guest) {
        return Integer.parseInt(guest.sh("cat /tmp/sums/all 2>/dev/null | wc -l"));
    }

    private static void awaitMore(QemuGuest guest, int than) {
        guest.sh("while [ $(cat /tmp/sums/all | wc -l) -le " + (than + 1) + " ]; do sleep 0.1; done", LIMIT);
    }
}
