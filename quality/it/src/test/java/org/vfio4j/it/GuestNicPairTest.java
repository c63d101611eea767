package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two guests, each with one function, both with Linux's own iavf driver. */
@QemuTest
class GuestNicPairTest {

    @TempDir
    private Path dir;

    @Test
    void twoGuestsPingAndCopyAndOneLoadsItsDriverAnew() {
        Path a = dir.resolve("a.sock");
        Path b = dir.resolve("b.sock");
        try (NicServer server = new NicServer().serve(a).serve(b);
                QemuGuest one = QemuGuest.withNics(a).boot();
                QemuGuest two = QemuGuest.withNics(b).boot()) {
            bringUp(one, "10.0.0.1");
            bringUp(two, "10.0.0.2");
            exchange(one, two);
            one.sh("rmmod iavf && insmod /lib/modules/iavf.ko");
            bringUp(one, "10.0.0.1");
            exchange(one, two);
            assertThat(server.statistics(1).faults() + server.statistics(2).faults())
                    .isZero();
            one.powerOff();
            two.powerOff();
        }
    }

    private static void bringUp(QemuGuest guest, String address) {
        guest.sh("until IF=$(ls /sys/class/net | grep -v lo) && [ -n \"$IF\" ]; do sleep 0.1; done");
        guest.sh("ip addr add " + address + "/24 dev $IF && ip link set $IF up");
        guest.sh("until grep -q 1 /sys/class/net/$IF/carrier; do sleep 0.1; done");
    }

    private static void exchange(QemuGuest one, QemuGuest two) {
        assertThat(one.sh("ping -c 3 -W 5 10.0.0.2")).contains("3 packets received");
        assertThat(two.sh("ping -c 3 -W 5 10.0.0.1")).contains("3 packets received");
        one.sh("dd if=/dev/urandom of=/tmp/sent bs=1M count=8 status=none");
        two.sh("rm -f /tmp/open; mkfifo /tmp/open; nc -l -p 5000 <> /tmp/open > /tmp/received & NC=$!");
        two.sh("until netstat -ltn | grep -q :5000; do sleep 0.1; done");
        one.sh("nc 10.0.0.2 5000 < /tmp/sent");
        two.sh("wait $NC");
        assertThat(two.sh("sha256sum < /tmp/received")).isEqualTo(one.sh("sha256sum < /tmp/sent"));
    }
}
