package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The process that serves a guest's disks is killed, and replaced in good order, while the guest writes and verifies: QEMU, which knows
 * nothing of it, stays connected, no write that the guest was told of is lost, and its file system is clean.
 */
@QemuTest
class GuestSupervisedTest {

    private static final int REPLACEMENTS = 13;
    private static final List<Integer> KILLS = List.of(2, 6, 10);
    private static final Duration LIMIT = Duration.ofSeconds(120);

    @TempDir
    private Path dir;

    @Test
    void aGuestThatWritesAndVerifiesSurvivesThreeKillsAndTenReplacements() {
        Path image = Images.create(dir.resolve("disk.img"), 128L * MIB);
        Path disk = dir.resolve("a.sock");
        Path scratch = dir.resolve("b.sock");
        try (VfioProcess server = VfioProcess.server()
                        .disk(disk, "file=" + image, "queues=2")
                        .disk(scratch, "memory=32M")
                        .option("--supervised")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(disk, scratch).boot()) {
            guest.sh("mke2fs -q -t ext4 /dev/vda && mkdir -p /mnt && mount /dev/vda /mnt");
            guest.sh("dd if=/dev/urandom of=/dev/vdb bs=1M count=32 oflag=direct status=none");
            String sum = guest.sh("sha256sum < /dev/vdb");
            guest.sh("mkdir /mnt/f /tmp/sums; (i=0; while [ ! -e /tmp/stop ]; do i=$((i + 1));"
                    + " dd if=/dev/urandom of=/mnt/f/$i bs=16k count=8 conv=fsync status=none || exit;"
                    + " (cd /mnt/f && sha256sum $i) >> /tmp/sums/all; sha256sum < /dev/vdb >> /tmp/sums/b;"
                    + " [ $i -lt 400 ] || i=0; done; touch /tmp/stopped) > /tmp/log 2>&1 &");
            for (int i = 0; i < REPLACEMENTS; i++) {
                int written = written(guest);
                replace(server, KILLS.contains(i));
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

    private static void replace(VfioProcess server, boolean kill) {
        ProcessHandle running = server.supervised();
        assertThat(kill ? running.destroyForcibly() : running.destroy()).isTrue();
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
