package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A namespace whose storage answers nothing for longer than Linux waits for a command. */
@QemuTest
@Timeout(300)
class GuestStalledStorageTest {

    private static final int DATA_BYTES = 2 * MIB;
    private static final Duration STALL = Duration.ofSeconds(40);

    @TempDir
    private Path dir;

    /** With nvme_core's times of 10 and 6 s instead of 30 and 60: Abort after 10 s, a reset after 20, which lasts until the storage is back. */
    @Test
    void theGuestAbortsAndResetsAndLosesNothing() throws InterruptedException {
        Path image = Images.create(dir.resolve("stalls.img"), 16L * MIB);
        Path healthy = Images.create(dir.resolve("healthy.img"), 16L * MIB);
        byte[] before = Images.pattern(31, DATA_BYTES);
        Images.write(image, 8L * MIB, before);
        Images.write(healthy, 0, before);
        try (StallingFile storage = StallingFile.of(dir.resolve("mount"), image);
                VfioProcess server = VfioProcess.server()
                        .device("nvme", dir.resolve("s.sock"), "file=" + storage.path(), "memory=16M", "serial=STALLS")
                        .device("nvme", dir.resolve("h.sock"), "file=" + healthy, "serial=HEALTHY")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(dir.resolve("s.sock"), dir.resolve("h.sock"))
                        .option("--append", "nvme_core.io_timeout=10 nvme_core.admin_timeout=6")
                        .boot()) {
            guest.sh("for i in $(seq 300); do set -- /sys/class/nvme/nvme*/nvme*n*; [ $# = 3 ] && break; sleep 0.1;"
                    + " done; disk() { for c in /sys/class/nvme/nvme*; do [ $(cat $c/serial) = $1 ] || continue;"
                    + " for d in $c/nvme*n*; do [ $(cat $d/nsid) = $2 ] && basename $d; done; done; };"
                    + " bad=/dev/$(disk STALLS 1); same=/dev/$(disk STALLS 2); good=/dev/$(disk HEALTHY 1); [ -b"
                    + " $bad ] && [ -b $same ] && [ -b $good ]");
            guest.sh("dd if=/dev/urandom of=/data bs=1M count=2 status=none");
            storage.stall();
            guest.sh("(dd if=/data of=$bad bs=16k oflag=direct status=none; echo $? > /wrote) &"
                    + " (dd if=$bad of=/read bs=16k skip=512 count=128 iflag=direct status=none; echo $? > /read.end) &"
                    + " (taskset 2 dd if=$bad of=/dev/null bs=4k count=64 skip=512 iflag=direct status=none) &");
            long begin = System.nanoTime();
            while (storage.waiting() == 0) {
                Thread.sleep(10);
            }
            // Before the guest has reset it, the same controller's other namespace goes on.
            guest.sh("dd if=/data of=$same bs=64k oflag=direct status=none && cmp -n 2097152 /data $same");
            awaitKernel(guest, "timeout, aborting");
            awaitKernel(guest, "timeout, reset controller");
            while (System.nanoTime() - begin < STALL.toNanos()) {
                guest.sh("dd if=/data of=$good bs=64k seek=64 oflag=direct status=none");
                guest.sh("dd if=$good bs=64k count=32 skip=64 iflag=direct status=none | cmp - /data");
                Thread.sleep(500);
            }
            assertThat(guest.sh("ls /wrote /read.end 2>/dev/null || true")).isEmpty();
            storage.release();
            guest.sh("for i in $(seq 300); do [ -s /wrote ] && [ -s /read.end ] && break; sleep 0.1; done");
            assertThat(guest.sh("cat /wrote /read.end")).isEqualTo("0\n0");
            assertThat(guest.sh("cat /sys/class/block/${bad#/dev/}/device/state"))
                    .isEqualTo("live");
            assertThat(guest.sh("sha256sum < /read")).startsWith(Images.sha256(before));
            guest.sh("dd if=$bad bs=64k count=32 iflag=direct status=none | cmp - /data");
            guest.sh("dd if=$same bs=64k count=32 iflag=direct status=none | cmp - /data");
            String written = guest.sh("sha256sum < /data").substring(0, 64);
            guest.powerOff();
            server.stop();
            assertThat(Images.sha256(Images.read(image, 0, DATA_BYTES))).isEqualTo(written);
        }
    }

    /**
     * As Linux resets the function of a controller that is not ready after CAP.TO, and so 60 s earlier. QEMU stands still with the whole
     * guest while it waits for the answer, for five seconds.
     */
    @Test
    void aFunctionLevelResetDoesNotWaitForTheStorage() throws InterruptedException {
        Path image = Images.create(dir.resolve("stalls.img"), 16L * MIB);
        byte[] before = Images.pattern(31, DATA_BYTES);
        Images.write(image, 0, before);
        try (StallingFile storage = StallingFile.of(dir.resolve("mount"), image);
                VfioProcess server = VfioProcess.server()
                        .device("nvme", dir.resolve("s.sock"), "file=" + storage.path(), "serial=STALLS")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(dir.resolve("s.sock"))
                        .option("--append", "nvme_core.io_timeout=5 nvme_core.admin_timeout=6")
                        .boot()) {
            guest.sh("for i in $(seq 300); do [ -b /dev/nvme0n1 ] && break; sleep 0.1; done; [ -b /dev/nvme0n1 ]");
            guest.sh("config=$(readlink -f /sys/class/nvme/nvme0/device)/config; byte() { od -An -tu1 -j $1 -N1"
                    + " $config | tr -d ' '; }; at=$(byte 52); while [ $(byte $at) != 16 ]; do at=$(byte"
                    + " $((at + 1))); done");
            storage.stall();
            guest.sh("(dd if=/dev/nvme0n1 of=/read bs=16k count=128 iflag=direct status=none; echo $? > /read.end) &");
            while (storage.waiting() == 0) {
                Thread.sleep(10);
            }
            long begin = System.nanoTime();
            // Initiate Function Level Reset, in the upper byte of Device Control.
            guest.sh("printf '\\200' | dd of=$config bs=1 seek=$((at + 9)) conv=notrunc status=none");
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(4));
            awaitKernel(guest, "nvme nvme0: .*reset");
            assertThat(guest.sh("cat /read.end 2>/dev/null || true")).isEmpty();
            storage.release();
            guest.sh("for i in $(seq 300); do [ -s /read.end ] && break; sleep 0.1; done");
            assertThat(guest.sh("cat /read.end; cat /sys/class/nvme/nvme0/state"))
                    .isEqualTo("0\nlive");
            assertThat(guest.sh("sha256sum < /read")).startsWith(Images.sha256(before));
            assertThat(guest.toString()).doesNotContain("timed out waiting for reply");
            guest.powerOff();
            server.stop();
        }
    }

    private static void awaitKernel(QemuGuest guest, String line) {
        guest.sh("for i in $(seq 300); do dmesg | grep -q '" + line + "' && break; sleep 0.1; done; dmesg | grep '"
                + line + "'");
    }
}
