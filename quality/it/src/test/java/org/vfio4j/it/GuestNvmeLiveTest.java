package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** A guest of two processors works on one namespace of two, by a queue and a queue thread for each, while things happen to the controller. */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestNvmeLiveTest {

    private static final int FILLED_BYTES = 4 * MIB;
    private static final byte[] FILLED = Images.pattern(21, FILLED_BYTES);
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int RESETS = 5;

    @TempDir
    private static Path dir;

    private Path image;
    private Path socket;
    private VfioProcess server;
    private QemuGuest guest;

    @BeforeAll
    void boot() {
        image = Images.create(dir.resolve("nvme.img"), 64L * MIB);
        Images.write(image, 0, FILLED);
        socket = dir.resolve("n.sock");
        server = VfioProcess.server()
                .device("nvme", socket, "memory=16M", "file=" + image, "queues=2", "threads=2")
                .start();
        guest = QemuGuest.withDisks(socket).boot();
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
    void eachProcessorHasAQueueThread() {
        assertThat(guest.sh("ls /sys/block/$ns2/mq | wc -l")).isEqualTo("2");
        guest.sh("for i in 0 1; do taskset $((1 << i)) dd if=/dev/$ns2 of=/dev/$ns2 bs=16k count=256"
                + " seek=$((1024 + 256 * i)) iflag=direct oflag=direct status=none & done; wait");
        // The kernel keeps the beginnings of names.
        assertThat(server.threads("nvme-0000")).isEqualTo(2);
        for (int cpu = 0; cpu < 2; cpu++) {
            assertThat(Images.read(image, (16L + 4 * cpu) * MIB, FILLED_BYTES)).isEqualTo(FILLED);
        }
    }

    /** What is in flight is carried out again, and the guest's programs notice nothing. */
    @Test
    void resetsUnderVerifiedIoLoseNothing() {
        for (int cpu = 0; cpu < 2; cpu++) {
            guest.sh(copyAndVerify(cpu));
        }
        for (int i = 0; i < RESETS; i++) {
            int done = copies();
            guest.sh("nvme reset /dev/nvme0");
            guest.sh(NvmeCliCommands.until("grep -q live /sys/class/nvme/nvme0/state"));
            guest.sh(
                    "while [ $(cat /tmp/sums-0 /tmp/sums-1 | wc -l) -le " + (done + 2) + " ]; do sleep 0.1; done",
                    LIMIT);
        }
        guest.sh("touch /tmp/stop; until [ -e /tmp/stopped-0 ] && [ -e /tmp/stopped-1 ]; do sleep 0.1; done", LIMIT);
        assertThat(guest.sh("cat /tmp/log-*")).isEmpty();
        assertThat(guest.sh("cat /tmp/sums-* | sort -u")).isEqualTo(Images.sha256(FILLED) + "  -");
        assertThat(guest.sh("dmesg | grep -iE 'i/o error|timeout' || true")).isEmpty();
        for (int cpu = 0; cpu < 2; cpu++) {
            assertThat(Images.read(image, (32L + 4 * cpu) * MIB, FILLED_BYTES)).isEqualTo(FILLED);
        }
    }

    /** On a processor of its own: copies what is filled to a place of its own and reads that again, until it is told to stop. */
    private static String copyAndVerify(int cpu) {
        int at = 512 + 64 * cpu;
        return ": > /tmp/sums-" + cpu + "; (while [ ! -e /tmp/stop ]; do"
                + " taskset " + (1 << cpu) + " dd if=/dev/$ns2 of=/dev/$ns2 bs=64k count=64 seek=" + at
                + " iflag=direct oflag=direct status=none;"
                + " taskset " + (1 << cpu) + " dd if=/dev/$ns2 bs=64k count=64 skip=" + at
                + " iflag=direct status=none | sha256sum >> /tmp/sums-" + cpu
                + "; done; touch /tmp/stopped-" + cpu + ") > /tmp/log-" + cpu + " 2>&1 &";
    }

    private int copies() {
        return Integer.parseInt(guest.sh("cat /tmp/sums-0 /tmp/sums-1 | wc -l"));
    }

    @Test
    void aNamespaceGrowsUnderItsDriver() {
        assertThat(VfioProcess.run("resize", socket.toString(), "96M", "--namespace", "2"))
                .contains("96 MiB");
        guest.sh(NvmeCliCommands.until("[ $(cat /sys/block/$ns2/size) = 196608 ]"));
        guest.sh("dd if=/dev/$ns2 of=/dev/$ns2 bs=64k count=64 seek=1472 iflag=direct oflag=direct status=none");
        assertThat(Images.read(image, 92L * MIB, FILLED_BYTES)).isEqualTo(FILLED);
    }
}
