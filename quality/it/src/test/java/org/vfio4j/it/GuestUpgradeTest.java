package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.testkit.BusyMachine;

/** The process that serves a guest's disks is replaced again and again, while the guest works. */
@QemuTest
class GuestUpgradeTest {

    private static final int UPGRADES = 10;
    private static final Duration LIMIT = Duration.ofSeconds(120);
    private static final int ATTEMPTS = 3;
    private static final List<String> ENDS = List.of("took over", "ETIMEDOUT", "EBUSY", "has not waited for that");
    private static final Pattern WAITED = Pattern.compile("waited for ([0-9.]+) ms");

    @TempDir
    private Path dir;

    @Test
    void aGuestThatWritesAndVerifiesNoticesNothing() {
        Path image = Images.create(dir.resolve("disk.img"), 128L * MIB);
        Path disk = dir.resolve("a.sock");
        Path scratch = dir.resolve("b.sock");
        Path nvme = dir.resolve("n.sock");
        VfioProcess server = VfioProcess.server()
                .disk(disk, "file=" + image, "queues=2")
                .disk(scratch, "memory=32M")
                // QEMU maps its doorbells.
                .device("nvme", nvme, "memory=8M", "doorbells=mapped")
                .start();
        try (QemuGuest guest = QemuGuest.withDisks(disk, scratch, nvme).boot()) {
            NvmeDisks.name(guest, 1);
            guest.sh("mke2fs -q -t ext4 /dev/vda && mkdir -p /mnt && mount /dev/vda /mnt");
            guest.sh("dd if=/dev/urandom of=/dev/vdb bs=1M count=32 oflag=direct status=none");
            guest.sh("dd if=/dev/vdb of=/dev/$ns1 bs=1M count=8 oflag=direct status=none");
            String sum = guest.sh("sha256sum < /dev/vdb");
            String nvmeSum = guest.sh("sha256sum < /dev/$ns1");
            guest.sh("mkdir /mnt/f /tmp/sums; (i=0; while [ ! -e /tmp/stop ]; do i=$((i + 1));"
                    + " dd if=/dev/urandom of=/mnt/f/$i bs=16k count=8 conv=fsync status=none || exit;"
                    + " (cd /mnt/f && sha256sum $i) >> /tmp/sums/all; sha256sum < /dev/vdb >> /tmp/sums/b;"
                    // Written with what it has, and read.
                    + " dd if=/dev/$ns1 of=/dev/$ns1 bs=16k iflag=direct oflag=direct status=none || exit;"
                    + " sha256sum < /dev/$ns1 >> /tmp/sums/n;"
                    + " [ $i -lt 400 ] || i=0; done; touch /tmp/stopped) > /tmp/log 2>&1 &");
            for (int i = 0; i < UPGRADES; i++) {
                int written = written(guest);
                server = upgrade(server);
                awaitMore(guest, written);
            }
            guest.sh("touch /tmp/stop; while [ ! -e /tmp/stopped ]; do sleep 0.1; done", LIMIT);
            assertThat(guest.sh("cat /tmp/log")).isEmpty();
            assertThat(guest.sh("sort -u /tmp/sums/b")).isEqualTo(sum);
            assertThat(guest.sh("sort -u /tmp/sums/n")).isEqualTo(nvmeSum);
            // The last sum of each file is the one that holds, and holds also when nothing is cached.
            guest.sh("umount /mnt && e2fsck -fn /dev/vda && mount /dev/vda /mnt", LIMIT);
            guest.sh("(cd /mnt/f && tac /tmp/sums/all | sort -u -k2,2 -s | sha256sum -c > /tmp/check 2>&1)", LIMIT);
            assertThat(guest.sh("grep -vc ': OK' /tmp/check || true")).isEqualTo("0");
            assertThat(guest.sh("dmesg | grep -ci 'i/o error' || true")).isEqualTo("0");
            guest.sh("umount /mnt");
            guest.powerOff();
            server.stop();
        } finally {
            server.close();
        }
    }

    private static VfioProcess upgrade(VfioProcess from) {
        VfioProcess to = upgradeOf(from);
        String line = to.awaitAny(ENDS, LIMIT);
        // On a busy machine the guest may have to wait for too long: the old server goes on with it.
        for (int attempt = 1; attempt < ATTEMPTS && !line.contains("took over") && from.isAlive(); attempt++) {
            BusyMachine.excuse(line);
            to.close();
            to = upgradeOf(from);
            line = to.awaitAny(ENDS, LIMIT);
        }
        Matcher waited = WAITED.matcher(line);
        assertThat(waited.find()).as(line).isTrue();
        System.out.println(line);
        from.expectEnd();
        return to;
    }

    private static VfioProcess upgradeOf(VfioProcess from) {
        return VfioProcess.start(List.of("upgrade", Long.toString(from.pid())));
    }

    private static int written(QemuGuest guest) {
        return Integer.parseInt(guest.sh("cat /tmp/sums/all 2>/dev/null | wc -l"));
    }

    private static void awaitMore(QemuGuest guest, int than) {
        guest.sh("while [ $(cat /tmp/sums/all | wc -l) -le " + (than + 1) + " ]; do sleep 0.1; done", LIMIT);
    }
}
