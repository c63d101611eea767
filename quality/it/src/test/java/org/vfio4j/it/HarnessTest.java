package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The control experiment: with QEMU's own virtio disk the guest, its tools and this harness do what other tests expect. */
@QemuTest
class HarnessTest {

    private static final String DRIVE =
            "if=none,id=own,format=raw,discard=unmap,file.driver=null-co,file.size=64M," + "file.read-zeroes=on";

    @Test
    void aGuestUsesQemusOwnDisk() {
        try (QemuGuest guest = QemuGuest.withDisks()
                .qemu("-drive", DRIVE, "-device", "virtio-blk-pci,drive=own,serial=OWN,num-queues=2")
                .boot()) {
            assertThat(guest.sh("blockdev --getsize64 /dev/vda")).isEqualTo("67108864");
            assertThat(guest.sh("cat /sys/block/vda/serial")).isEqualTo("OWN");
            assertThat(guest.sh("ls /sys/block/vda/mq | wc -l")).isEqualTo("2");
            assertThat(guest.sh("lspci -vv -d 1af4:")).contains("MSI-X: Enable+");
            guest.powerOff();
        }
    }

    @Test
    void aCommandThatFailsOrHangsIsReportedWithTheConsole() {
        try (QemuGuest guest = QemuGuest.withDisks().boot()) {
            assertThatThrownBy(() -> guest.sh("echo before; false")).hasMessageContaining("before");
            assertThatThrownBy(() -> guest.sh("sleep 100", Duration.ofSeconds(1)))
                    .hasMessageContaining("within 1 s");
            // One time limit is enough to say that.
            assertThatThrownBy(() -> guest.sh("echo behind")).hasMessageContaining("still at 'sleep 100'");
            assertThatThrownBy(guest::powerOff).hasMessageContaining("still at 'sleep 100'");
        }
    }
}
