package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same controller for other software: a PC's firmware, and a kernel that uses no MSI. */
@QemuTest
class GuestNvmeVariantsTest {

    private static final int FILLED_BYTES = 4 * MIB;

    @TempDir
    private Path dir;

    private Path image;
    private Path socket;

    @BeforeEach
    void makeImage() {
        image = Images.create(dir.resolve("nvme.img"), 64L * MIB);
        socket = dir.resolve("n.sock");
    }

    /** By its own driver, which polls: the boot sector, and then 32 KiB by way of a PRP list, of which the last sector says so. */
    @Test
    void theFirmwareBootsFromANamespace() {
        Images.write(image, 0, BootSector.loading(2048, 64));
        Images.write(image, MIB + 63 * 512, BootSector.line("booted from a served namespace"));
        try (VfioProcess server = server();
                QemuGuest guest = QemuGuest.withDisks()
                        .option("--boot", socket.toString())
                        .start()) {
            guest.awaitLine("booted from a served namespace", QemuGuest.BOOT);
            guest.kill();
            server.stop();
        }
    }

    @Test
    void withoutMsiTheControllerUsesItsInterruptLine() {
        byte[] filled = Images.pattern(22, FILLED_BYTES);
        Images.write(image, 0, filled);
        try (VfioProcess server = server();
                QemuGuest guest = QemuGuest.withDisks(socket)
                        .option("--append", "pci=nomsi")
                        .boot()) {
            NvmeDisks.name(guest, 1);
            guest.sh("for i in 0 1; do taskset $((1 << i)) dd if=/dev/$ns1 of=/dev/$ns1 bs=64k count=64"
                    + " seek=$((256 + 64 * i)) iflag=direct oflag=direct status=none & done; wait");
            for (int cpu = 0; cpu < 2; cpu++) {
                assertThat(Images.read(image, (16L + 4 * cpu) * MIB, FILLED_BYTES))
                        .isEqualTo(filled);
            }
            assertThat(guest.sh("lspci -vv -d 15b3:6001")).contains("MSI-X: Enable-", "Kernel driver in use: nvme");
            assertThat(guest.sh("grep nvme0q /proc/interrupts")).contains("IO-APIC");
            // No more than one for each of some 300 completions. The guest may count more: without KVM, QEMU goes on
            // interrupting for one that it learns of when the driver has already found its cause.
            assertThat(VfioProcess.interrupts(socket)).isBetween(10, 400);
            assertThat(guest.sh("dmesg | grep -iE 'nvme.*(timeout|polled)|nobody cared' || true"))
                    .isEmpty();
            guest.powerOff();
            server.stop();
        }
    }

    /** The guest's memory stays where it is while it uses the disk, and is let go with the guest. */
    @Test
    void aServerMayPinTheGuestsMemory() throws Exception {
        byte[] filled = Images.pattern(52, FILLED_BYTES);
        Images.write(image, 0, filled);
        try (VfioProcess server = server("pin");
                QemuGuest guest = QemuGuest.withDisks(socket).boot()) {
            NvmeDisks.name(guest, 1);
            guest.sh("dd if=/dev/$ns1 of=/dev/$ns1 bs=4k count=1024 seek=4096 iflag=direct oflag=direct conv=fsync"
                    + " status=none");
            assertThat(Images.read(image, 16L * MIB, FILLED_BYTES)).isEqualTo(filled);
            assertThat(server.pinnedKib()).isPositive();
            guest.powerOff();
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (server.pinnedKib() != 0) {
                assertThat(System.nanoTime())
                        .as("KiB pinned: %s", server.pinnedKib())
                        .isLessThan(deadline);
                Thread.sleep(20);
            }
            server.stop();
        }
    }

    private VfioProcess server(String... words) {
        String[] all = Stream.concat(Stream.of("file=" + image, "queues=2"), Stream.of(words))
                .toArray(String[]::new);
        return VfioProcess.server().device("nvme", socket, all).start();
    }
}
