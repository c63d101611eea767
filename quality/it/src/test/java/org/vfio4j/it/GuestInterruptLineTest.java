package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * How often functions interrupt a kernel that uses no MSI, a controller and a virtio disk: once for a command that comes alone.
 * The guest may count more: without KVM, QEMU now and then asserts an interrupt of which it learns when the driver has already
 * found its cause, until the guest looks again.
 */
@QemuTest
class GuestInterruptLineTest {

    private static final int COMMANDS = 400;
    private static final String READ =
            "dd if=/dev/%s of=/dev/null bs=4k count=" + COMMANDS + " iflag=direct status=none";
    private static final String WRITE =
            "dd if=/dev/zero of=/dev/%s bs=4k count=" + COMMANDS + " oflag=direct status=none";

    @TempDir
    private Path dir;

    @ParameterizedTest
    @CsvSource({"poll=adaptive, memfd", "poll=always, memfd", "poll=off, memfd", "poll=adaptive, none"})
    void aCommandThatComesAloneInterruptsOnce(String poll, String backend) {
        Path nvme = dir.resolve("n.sock");
        Path disk = dir.resolve("d.sock");
        String image = "file=" + Images.create(dir.resolve("n.img"), 64L * MIB);
        try (VfioProcess server = VfioProcess.server()
                        .device("nvme", nvme, "memory=64M", image, "queues=2", poll)
                        .disk(disk, "file=" + Images.create(dir.resolve("d.img"), 64L * MIB))
                        .start();
                QemuGuest guest = QemuGuest.withDisks(nvme, disk)
                        .option("--append", "pci=nomsi", "--backend", backend)
                        .boot()) {
            NvmeDisks.name(guest, 2);
            check(
                    guest,
                    nvme,
                    READ.formatted("$ns1"),
                    WRITE.formatted("$ns1"),
                    READ.formatted("$ns2"),
                    WRITE.formatted("$ns2"));
            check(guest, disk, READ.formatted("vda"));
            guest.powerOff();
            server.stop();
        }
    }

    /** How many each command of the guest brings. To ask costs the start of a JVM: the count after one is that before the next. */
    private static void check(QemuGuest guest, Path socket, String... commands) {
        int before = VfioProcess.interrupts(socket);
        for (String command : commands) {
            guest.sh(command);
            int after = VfioProcess.interrupts(socket);
            assertThat(after - before).as(command).isBetween(COMMANDS / 2, 2 * COMMANDS);
            before = after;
        }
    }
}
