package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What Linux's own NVMe driver and the unmodified nvme-cli say of a controller with two namespaces. */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class GuestNvmeCliTest {

    @TempDir
    private static Path dir;

    private VfioProcess server;
    private QemuGuest guest;

    /**
     * A command line of nvme-cli and what it has to print.
     *
     * @param exit its exit code
     * @param expected regular expressions, each to be found in the output
     */
    record Command(int exit, String line, List<String> expected) {

        static Command ok(String line, String... expected) {
            return new Command(0, line, List.of(expected));
        }

        static Command fails(int exit, String line, String... expected) {
            return new Command(exit, line, List.of(expected));
        }

        @Override
        public String toString() {
            return line;
        }
    }

    /** In order: later ones see what earlier ones did. */
    static Stream<Command> commands() {
        return NvmeCliCommands.ALL.stream();
    }

    @BeforeAll
    void boot() {
        Path socket = dir.resolve("nvme.sock");
        server = VfioProcess.server()
                .device("nvme", socket, "memory=16M", "memory=64M", "serial=NVME-0001")
                .start();
        // nvme-cli looks at registers that the kernel's driver has.
        guest = QemuGuest.withDisks(socket).option("--append", "iomem=relaxed").boot();
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

    @Order(1)
    @Test
    void theKernelFindsBothNamespaces() {
        assertThat(guest.sh("cat /sys/class/nvme/nvme0/serial").strip()).isEqualTo("NVME-0001");
        assertThat(guest.sh("cat /sys/block/$ns1/size /sys/block/$ns2/size").lines())
                .containsExactly("32768", "131072");
        assertThat(guest.sh("dmesg | grep -iE 'nvme.*(error|fail|timeout|unsupported)' || true"))
                .isEmpty();
    }

    @Order(2)
    @ParameterizedTest(name = "{0}")
    @MethodSource("commands")
    void says(Command command) {
        QemuGuest.Result result = guest.run(command.line);
        assertThat(result.exit())
                .as("exit of '%s': %s", command.line, result.output())
                .isEqualTo(command.exit);
        for (String expected : command.expected) {
            assertThat(result.output()).as(command.line).containsPattern(Pattern.compile(expected, Pattern.MULTILINE));
        }
    }

    /** The first that is found is nvme0n1, whichever it is. */
    @Order(3)
    @Test
    void theDisksAreNumberedAsTheyAreFound() {
        guest.sh("for n in 1 2; do nvme detach-ns -n $n -c 0 /dev/nvme0; done");
        await("[ ! -b /dev/$ns1 ] && [ ! -b /dev/$ns2 ]");
        guest.sh("nvme attach-ns -n 2 -c 0 /dev/nvme0");
        await("[ -b /dev/nvme0n1 ]");
        guest.sh("nvme attach-ns -n 1 -c 0 /dev/nvme0");
        NvmeDisks.name(guest, 2);
        assertThat(guest.sh("echo $ns1 $ns2")).isEqualTo("nvme0n2 nvme0n1");
    }

    private void await(String condition) {
        guest.sh(NvmeCliCommands.until(condition));
    }

    @Order(4)
    @Test
    void keepsAFileSystemInBlocksOf4096() {
        guest.sh("nvme format --lbaf=1 --force /dev/$ns2 && [ $(blockdev --getss /dev/$ns2) = 4096 ]");
        guest.sh("mke2fs -q -t ext4 /dev/$ns2 && mount /dev/$ns2 /mnt");
        guest.sh("dd if=/dev/urandom of=/mnt/a bs=1M count=8 status=none && sha256sum /mnt/a > /tmp/sum");
        guest.sh("sync && echo 3 > /proc/sys/vm/drop_caches && sha256sum -c /tmp/sum && fstrim /mnt && umount /mnt");
        guest.sh("e2fsck -fn /dev/$ns2");
    }
}
