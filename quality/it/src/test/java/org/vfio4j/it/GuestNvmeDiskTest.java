package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** What Linux's nvme driver does with a controller of two namespaces: a file ($ns1) and memory ($ns2). */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestNvmeDiskTest {

    private static final int FILLED_BYTES = 4 * MIB;
    private static final byte[] FILLED = Images.pattern(11, FILLED_BYTES);

    @TempDir
    private static Path dir;

    private Path image;
    private VfioProcess server;
    private QemuGuest guest;

    @BeforeAll
    void boot() {
        image = Images.create(dir.resolve("nvme.img"), 128L * MIB);
        Images.write(image, 0, FILLED);
        server = VfioProcess.server()
                .device("nvme", dir.resolve("n.sock"), "file=" + image, "memory=64M", "serial=N-1", "queues=4")
                .start();
        guest = QemuGuest.withDisks(dir.resolve("n.sock")).boot();
        NvmeDisks.name(guest, 2);
    }

    @AfterAll
    void end() {
        try {
            guest.powerOff();
            server.stop();
        } finally {
            guest.close();
            server.close();
        }
    }

    @Test
    void bothNamespacesHaveTheirSizes() {
        assertThat(guest.sh("blockdev --getsize64 /dev/$ns1")).isEqualTo(Long.toString(128L * MIB));
        assertThat(guest.sh("blockdev --getsize64 /dev/$ns2")).isEqualTo(Long.toString(64L * MIB));
    }

    @Test
    void theControllerSaysWhoItIs() {
        assertThat(guest.sh("cat /sys/class/nvme/nvme0/serial")).isEqualTo("N-1");
        assertThat(guest.sh("cat /sys/class/nvme/nvme0/state")).isEqualTo("live");
        assertThat(guest.sh("cat /sys/class/nvme/nvme0/subsysnqn")).startsWith("nqn.2014-08.org.nvmexpress:uuid:");
    }

    @Test
    void eachProcessorHasItsQueueAndItsVector() {
        assertThat(guest.sh("ls /sys/block/$ns1/mq | wc -l")).isEqualTo("2");
        assertThat(guest.sh("grep -c nvme0q /proc/interrupts")).isEqualTo("3");
        assertThat(guest.sh("lspci -vv -d 15b3:6001")).contains("MSI-X: Enable+", "Kernel driver in use: nvme");
    }

    @Test
    void theGuestReadsWhatTheImageHolds() {
        assertThat(guest.sh("dd if=/dev/$ns1 bs=1M count=4 iflag=direct status=none | sha256sum"))
                .startsWith(Images.sha256(FILLED));
    }

    @Test
    void theImageHoldsWhatTheGuestWrote() {
        guest.sh("dd if=/dev/$ns1 of=/dev/$ns1 bs=256k count=16 seek=32 iflag=direct oflag=direct conv=fsync"
                + " status=none");
        assertThat(Images.read(image, 8L * MIB, FILLED_BYTES)).isEqualTo(FILLED);
    }

    @Test
    void discardsAndZeroesReachTheImage() {
        byte[] before = Images.pattern(12, 4 * MIB);
        Images.write(image, 32L * MIB, before);
        guest.sh("blkdiscard -o 33MiB -l 1MiB /dev/$ns1");
        guest.sh("blkdiscard -z -o 34MiB -l 1MiB /dev/$ns1");
        Arrays.fill(before, MIB, 3 * MIB, (byte) 0);
        assertThat(Images.read(image, 32L * MIB, before.length)).isEqualTo(before);
    }

    @Test
    void aFileSystemSurvivesAResetOfTheController() {
        guest.sh("mke2fs -q -t ext4 /dev/$ns2 && mount /dev/$ns2 /mnt");
        guest.sh("dd if=/dev/$ns1 of=/mnt/x bs=1M count=4 status=none && sync");
        guest.sh("echo 1 > /sys/class/nvme/nvme0/reset_controller");
        guest.sh("until grep -q live /sys/class/nvme/nvme0/state; do sleep 0.1; done");
        guest.sh("echo 3 > /proc/sys/vm/drop_caches; cmp -n 4194304 /mnt/x /dev/$ns1 && umount /mnt");
        guest.sh("e2fsck -fn /dev/$ns2");
    }

    @Test
    void writersAtOnceOnBothNamespacesDoNotDisturbEachOther() {
        guest.sh("for i in 0 1 2 3; do"
                + " dd if=/dev/$ns1 of=/dev/$ns1 bs=16k count=256 seek=$((5120 + 256 * i)) iflag=direct"
                + " oflag=direct status=none & done; wait");
        for (int writer = 0; writer < 4; writer++) {
            assertThat(Images.read(image, (80L + 4 * writer) * MIB, FILLED_BYTES))
                    .isEqualTo(FILLED);
        }
    }
}
