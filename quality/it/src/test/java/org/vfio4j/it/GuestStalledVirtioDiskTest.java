package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two virtio-blk disks of one server, of which the storage of one (vda) answers nothing. QEMU stands still with the whole guest while it
 * waits for the answer to a register's write or an interrupt's set-up, for five seconds.
 */
@QemuTest
@Timeout(300)
class GuestStalledVirtioDiskTest {

    private static final int READ_BYTES = 256 * 1024;
    private static final Duration AT_ONCE = Duration.ofSeconds(4);

    @TempDir
    private Path dir;

    @Test
    void theGuestGoesOnWhateverItDoesWithEitherDisk() throws InterruptedException {
        Path image = Images.create(dir.resolve("stalls.img"), 16L * MIB);
        byte[] before = Images.pattern(43, READ_BYTES);
        Images.write(image, 0, before);
        try (StallingFile storage = StallingFile.of(dir.resolve("mount"), image);
                VfioProcess server = VfioProcess.server()
                        .disk(dir.resolve("s.sock"), "file=" + storage.path())
                        .disk(dir.resolve("h.sock"), "memory=16M")
                        .start();
                QemuGuest guest = QemuGuest.withDisks(dir.resolve("s.sock"), dir.resolve("h.sock"))
                        .boot()) {
            guest.sh("pci() { basename $(dirname $(readlink -f /sys/block/$1/device)); }; rebind() { p=$(pci $1);"
                    + " echo $p > /sys/bus/pci/drivers/virtio-pci/unbind && echo $p >"
                    + " /sys/bus/pci/drivers/virtio-pci/bind && for i in $(seq 100); do [ -b /dev/$1 ] && break; sleep"
                    + " 0.1; done; }");
            guest.sh("config=/sys/bus/pci/devices/$(pci vda)/config; byte() { od -An -tu1 -j $1 -N1 $config | tr -d"
                    + " ' '; }; capability() { at=$(byte 52); while [ $(byte $at) != $1 ]; do at=$(byte $((at + 1)));"
                    + " done; }; put() { printf $2 | dd of=$config bs=1 seek=$((at + $1)) conv=notrunc status=none; }");
            guest.sh("dd if=/dev/urandom of=/data bs=1M count=2 status=none");
            storage.stall();
            guest.sh("(dd if=/dev/vda of=/read bs=256k count=1 iflag=direct status=none; echo $? > /read.end) &");
            while (storage.waiting() == 0) {
                Thread.sleep(10);
            }
            atOnce(guest, "rebind vdb && dd if=/data of=/dev/vdb bs=64k oflag=direct status=none");
            atOnce(guest, "dd if=/dev/vdb bs=64k count=32 iflag=direct status=none | cmp - /data");
            // MSI-X Enable, in the upper byte of Message Control: off and on again.
            atOnce(guest, "capability 17 && for i in 1 2 3; do put 3 '\\000'; put 3 '\\200'; done");
            // Initiate Function Level Reset, in the upper byte of Device Control.
            atOnce(guest, "capability 16 && put 9 '\\200'");
            atOnce(guest, "dd if=/dev/vdb bs=64k count=32 iflag=direct status=none | cmp - /data");
            assertThat(guest.sh("cat /read.end 2>/dev/null || true")).isEmpty();
            storage.release();
            guest.sh("for i in $(seq 300); do [ -s /read.end ] && break; sleep 0.1; done");
            assertThat(guest.sh("cat /read.end")).isEqualTo("0");
            assertThat(guest.sh("sha256sum < /read")).startsWith(Images.sha256(before));
            guest.sh("rebind vda && dd if=/dev/vda bs=256k count=1 iflag=direct status=none | cmp - /read");
            assertThat(guest.toString()).doesNotContain("timed out waiting for reply");
            guest.powerOff();
            server.stop();
        }
    }

    private static void atOnce(QemuGuest guest, String command) {
        long begin = System.nanoTime();
        guest.sh(command);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).as(command).isLessThan(AT_ONCE);
    }
}
