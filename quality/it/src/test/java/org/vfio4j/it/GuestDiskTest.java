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

/** What a Linux guest does with two disks of one server: a file (vda) and memory (vdb). Each test has its own range of vda. */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestDiskTest {

    private static final int FILLED_BYTES = 4 * MIB;
    private static final byte[] FILLED = Images.pattern(1, FILLED_BYTES);

    @TempDir
    private static Path dir;

    private Path image;
    private VfioProcess server;
    private QemuGuest guest;

    @BeforeAll
    void boot() {
        image = Images.create(dir.resolve("disk.img"), 128L * MIB);
        Images.write(image, 0, FILLED);
        server = VfioProcess.server()
                .disk(dir.resolve("a.sock"), "file=" + image, "serial=A-1", "queues=2")
                .disk(dir.resolve("b.sock"), "memory=64M")
                .start();
        guest = QemuGuest.withDisks(dir.resolve("a.sock"), dir.resolve("b.sock"))
                .boot();
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
    void bothDisksHaveTheirSizes() {
        assertThat(guest.sh("blockdev --getsize64 /dev/vda")).isEqualTo(Long.toString(128L * MIB));
        assertThat(guest.sh("blockdev --getsize64 /dev/vdb")).isEqualTo(Long.toString(64L * MIB));
        assertThat(guest.sh("blockdev --getro /dev/vda")).isEqualTo("0");
    }

    @Test
    void theSerialIsSeen() {
        assertThat(guest.sh("cat /sys/block/vda/serial")).isEqualTo("A-1");
    }

    @Test
    void lspciShowsAVirtioFunctionThatUsesMsiX() {
        assertThat(guest.sh("lspci -vv -d 1af4:1042"))
                .contains("MSI-X: Enable+", "Kernel driver in use: virtio-pci", "FLReset+", "VirtIO: Notify");
    }

    @Test
    void thereAreAsManyQueuesAsAskedFor() {
        assertThat(guest.sh("ls /sys/block/vda/mq | wc -l")).isEqualTo("2");
        assertThat(guest.sh("ls /sys/block/vdb/mq | wc -l")).isEqualTo("1");
    }

    @Test
    void theGuestReadsWhatTheImageHolds() {
        assertThat(guest.sh("dd if=/dev/vda bs=1M count=4 iflag=direct status=none | sha256sum"))
                .startsWith(Images.sha256(FILLED));
    }

    @Test
    void theImageHoldsWhatTheGuestWrote() {
        long at = 8L * MIB;
        guest.sh(
                "dd if=/dev/vda of=/dev/vda bs=64k count=64 seek=128 iflag=direct oflag=direct conv=fsync status=none");
        assertThat(Images.read(image, at, FILLED_BYTES)).isEqualTo(FILLED);
    }

    @Test
    void aSectorIsWrittenAndNothingBesideIt() {
        long at = 16L * MIB;
        byte[] around = Images.pattern(2, 8 * 512);
        Images.write(image, at, around);
        guest.sh("dd if=/dev/vda of=/dev/vda bs=512 count=1 skip=7 seek=" + (at / 512 + 3)
                + " iflag=direct oflag=direct conv=fsync status=none");
        byte[] expected = around.clone();
        System.arraycopy(FILLED, 7 * 512, expected, 3 * 512, 512);
        assertThat(Images.read(image, at, around.length)).isEqualTo(expected);
    }

    @Test
    void discardPunchesAHoleThatReadsAsZeros() {
        int size = 8 * MIB;
        Images.write(image, 32L * MIB, Images.pattern(3, size));
        long before = Images.allocatedBytes(image);
        guest.sh("blkdiscard -o 32MiB -l 8MiB /dev/vda");
        assertThat(Images.allocatedBytes(image)).isLessThanOrEqualTo(before - size + MIB);
        assertThat(Images.read(image, 32L * MIB, size)).isEqualTo(new byte[size]);
        assertThat(guest.sh("dd if=/dev/vda bs=1M skip=32 count=8 iflag=direct status=none | sha256sum"))
                .startsWith(Images.sha256(new byte[size]));
    }

    @Test
    void writeZeroesLeavesZerosAndNothingBesideChanged() {
        byte[] before = Images.pattern(4, 4 * MIB);
        Images.write(image, 48L * MIB, before);
        guest.sh("blkdiscard -z -o 49MiB -l 2MiB /dev/vda");
        Arrays.fill(before, MIB, 3 * MIB, (byte) 0);
        assertThat(Images.read(image, 48L * MIB, before.length)).isEqualTo(before);
    }

    @Test
    void theWriteCacheCanBeSwitched() {
        assertThat(guest.sh("cat /sys/block/vda/cache_type")).isEqualTo("write back");
        guest.sh("echo 'write through' > /sys/block/vda/cache_type");
        assertThat(guest.sh("cat /sys/block/vda/cache_type")).isEqualTo("write through");
        guest.sh("dd if=/dev/vda of=/dev/vda bs=4k count=8 seek=16384 oflag=direct status=none");
        guest.sh("echo 'write back' > /sys/block/vda/cache_type");
        assertThat(guest.sh("cat /sys/block/vda/cache_type")).isEqualTo("write back");
    }

    @Test
    void writersAtOnceOnBothDisksDoNotDisturbEachOther() {
        guest.sh("for i in 0 1 2 3; do"
                + " dd if=/dev/vda of=/dev/vda bs=16k count=256 seek=$((5120 + 256 * i)) iflag=direct oflag=direct status=none &"
                + " dd if=/dev/vda of=/dev/vdb bs=16k count=256 seek=$((512 + 256 * i)) iflag=direct oflag=direct status=none &"
                + " done; wait");
        for (int writer = 0; writer < 4; writer++) {
            assertThat(Images.read(image, (80L + 4 * writer) * MIB, FILLED_BYTES))
                    .isEqualTo(FILLED);
            guest.sh("cmp -n 4194304 -i 0:" + (8 + 4 * writer) * MIB + " /dev/vda /dev/vdb");
        }
    }
}
