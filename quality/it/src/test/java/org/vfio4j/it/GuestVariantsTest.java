package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same disk under other circumstances: other interrupts, memory, IOMMU, firmware. */
@QemuTest
class GuestVariantsTest {

    private static final int FILLED_BYTES = 4 * MIB;

    @TempDir
    private Path dir;

    private Path image;
    private Path socket;
    private byte[] filled;

    @BeforeEach
    void makeImage() {
        image = Images.create(dir.resolve("disk.img"), 64L * MIB);
        socket = dir.resolve("disk.sock");
        filled = Images.pattern(6, FILLED_BYTES);
        Images.write(image, 0, filled);
    }

    /** Copies the filled part of the disk to its middle, in the guest, and looks at the image. */
    private void readAndWrite(QemuGuest guest) {
        guest.sh(
                "dd if=/dev/vda of=/dev/vda bs=128k count=32 seek=256 iflag=direct oflag=direct conv=fsync status=none");
        assertThat(Images.read(image, 32L * MIB, FILLED_BYTES)).isEqualTo(filled);
        assertThat(guest.sh("dd if=/dev/vda bs=1M skip=32 count=4 iflag=direct status=none | sha256sum"))
                .startsWith(Images.sha256(filled));
    }

    private void serveAndUse(QemuGuest.Builder builder, String... settings) {
        try (VfioProcess server = server(settings).start();
                QemuGuest guest = builder.boot()) {
            readAndWrite(guest);
            guest.powerOff();
            server.stop();
        }
    }

    private VfioProcess.Builder server(String... settings) {
        String[] all = new String[settings.length + 1];
        all[0] = "file=" + image;
        System.arraycopy(settings, 0, all, 1, settings.length);
        return VfioProcess.server().disk(socket, all);
    }

    @Test
    void aReadOnlyDiskIsNotWritten() {
        try (VfioProcess server = server("readonly").start();
                QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
            assertThat(guest.sh("cat /sys/block/vda/ro")).isEqualTo("1");
            assertThat(guest.run("dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct")
                            .exit())
                    .isNotZero();
            assertThat(guest.run("blkdiscard /dev/vda").exit()).isNotZero();
            assertThat(guest.sh("dd if=/dev/vda bs=1M count=4 iflag=direct status=none | sha256sum"))
                    .startsWith(Images.sha256(filled));
            guest.powerOff();
            assertThat(Images.read(image, 0, FILLED_BYTES)).isEqualTo(filled);
            server.stop();
        }
    }

    @Test
    void withoutMsiTheDiskUsesItsInterruptLine() {
        try (VfioProcess server = server().start();
                QemuGuest guest = QemuGuest.withDisks(socket)
                        .option("--append", "pci=nomsi")
                        .boot()) {
            readAndWrite(guest);
            assertThat(guest.sh("lspci -vv -d 1af4:1042")).contains("MSI-X: Enable-");
            assertThat(guest.sh("grep virtio /proc/interrupts")).contains("IO-APIC");
            guest.powerOff();
            server.stop();
        }
    }

    @Test
    void fourQueuesServeFourCpus() {
        try (VfioProcess server = server("queues=4").start();
                QemuGuest guest =
                        QemuGuest.withDisks(socket).option("--cpus", "4").boot()) {
            assertThat(guest.sh("ls /sys/block/vda/mq | wc -l")).isEqualTo("4");
            guest.sh("for i in 0 1 2 3; do taskset $((1 << i)) dd if=/dev/vda of=/dev/vda bs=64k count=64"
                    + " seek=$((256 + 64 * i)) iflag=direct oflag=direct status=none & done; wait");
            for (int cpu = 0; cpu < 4; cpu++) {
                assertThat(Images.read(image, (16L + 4 * cpu) * MIB, FILLED_BYTES))
                        .isEqualTo(filled);
            }
            guest.powerOff();
            server.stop();
        }
    }

    /** Threads of their own, past the page cache; and changed while the guest uses the disk. */
    @Test
    void queuesOnSeveralThreadsGoOnWhileTheDiskGrowsAndIsLimited() {
        try (VfioProcess server = server("queues=4", "threads=2", "direct").start();
                QemuGuest guest =
                        QemuGuest.withDisks(socket).option("--cpus", "4").boot()) {
            guest.sh("for i in 0 1 2 3; do taskset $((1 << i)) dd if=/dev/vda of=/dev/vda bs=64k count=64"
                    + " seek=$((256 + 64 * i)) iflag=direct oflag=direct status=none & done; wait");
            for (int cpu = 0; cpu < 4; cpu++) {
                assertThat(Images.read(image, (16L + 4 * cpu) * MIB, FILLED_BYTES))
                        .isEqualTo(filled);
            }
            assertThat(VfioProcess.run("resize", socket.toString(), "96M")).contains("96 MiB");
            assertThat(guest.sh("for i in $(seq 300); do test $(cat /sys/block/vda/size) = 196608 && break;"
                            + " sleep 0.1; done; blockdev --getsize64 /dev/vda"))
                    .isEqualTo(Long.toString(96L * MIB));
            guest.sh("dd if=/dev/vda of=/dev/vda bs=64k count=64 seek=1472 iflag=direct oflag=direct status=none");
            assertThat(Images.read(image, 92L * MIB, FILLED_BYTES)).isEqualTo(filled);

            assertThat(VfioProcess.run("limit", socket.toString(), "--bandwidth", "4M"))
                    .contains("4 MiB/s");
            long begin = System.nanoTime();
            guest.sh("dd if=/dev/vda of=/dev/null bs=64k count=128 iflag=direct status=none");
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(Duration.ofMillis(1700));
            assertThat(VfioProcess.run("limit", socket.toString(), "--bandwidth", "0"))
                    .doesNotContain("/s");
            readAndWrite(guest);
            guest.powerOff();
            server.stop();
        }
    }

    @Test
    void memoryWithoutADescriptorIsReachedByMessages() {
        serveAndUse(QemuGuest.withDisks(socket).option("--backend", "none"), "queues=2");
    }

    @Test
    void memoryThatMayShrinkIsReachedByReadsAndWrites() {
        serveAndUse(QemuGuest.withDisks(socket).option("--backend", "file=" + dir.resolve("memory")), "queues=2");
    }

    @Test
    void memoryOfATrustedClientIsMapped() {
        try (VfioProcess server = server().option("--trust-client").start();
                QemuGuest guest = QemuGuest.withDisks(socket)
                        .option("--backend", "file=" + dir.resolve("memory"))
                        .boot()) {
            readAndWrite(guest);
            assertThat(server.maps(dir.resolve("memory"))).isTrue();
            guest.powerOff();
            server.stop();
        }
    }

    @Test
    void anIommuOfTheGuestMapsEachRequest() {
        try (VfioProcess server = server().start();
                QemuGuest guest = QemuGuest.withDisks(socket)
                        .qemu("-device", "intel-iommu,intremap=on,caching-mode=on")
                        .option("--append", "intel_iommu=on iommu.passthrough=0 iommu.strict=1")
                        .boot()) {
            assertThat(guest.sh("ls /sys/class/iommu")).contains("dmar0");
            readAndWrite(guest);
            guest.sh("mke2fs -q -t ext4 /dev/vda && mount /dev/vda /mnt && cp /bin/busybox /mnt && umount /mnt");
            guest.sh("e2fsck -fn /dev/vda");
            guest.powerOff();
            server.stop();
        }
    }

    @Test
    void theFirmwareBootsFromTheDisk() {
        Images.write(image, 0, BootSector.printing("booted from a served disk"));
        try (VfioProcess server = server().start();
                QemuGuest guest = QemuGuest.withDisks()
                        .option("--boot", socket.toString())
                        .start()) {
            guest.awaitLine("booted from a served disk", QemuGuest.BOOT);
            guest.kill();
            server.stop();
        }
    }
}
