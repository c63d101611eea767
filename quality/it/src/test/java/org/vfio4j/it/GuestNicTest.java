package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What Linux's own iavf driver does with two functions of one server: both in one guest, the second one in a network namespace of
 * its own, so that what goes from one to the other leaves the guest.
 */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestNicTest {

    private static final int COPIED_MIB = 16;

    @TempDir
    private static Path dir;

    private NicServer server;
    private QemuGuest guest;
    private String first;
    private String second;

    @BeforeAll
    void boot() {
        Path a = dir.resolve("a.sock");
        Path b = dir.resolve("b.sock");
        server = new NicServer().serve(a).serve(b);
        guest = QemuGuest.withNics(a, b).boot();
        first = interfaceOf(1);
        second = interfaceOf(2);
        guest.sh(
                "unshare --net sleep 100000 & NS=$!; while [ /proc/$NS/ns/net -ef /proc/self/ns/net ]; do sleep 0.1; done");
        guest.sh("ip link set " + second + " netns $NS");
        guest.sh("ip addr add 10.0.0.1/24 dev " + first + " && ip link set " + first + " up");
        guest.sh(there("ip addr add 10.0.0.2/24 dev " + second));
        guest.sh(there("ip link set " + second + " up"));
        awaitCarrier();
        guest.sh("mkfifo /tmp/open && dd if=/dev/urandom of=/tmp/sent bs=1M count=" + COPIED_MIB + " status=none");
    }

    @AfterAll
    void end() {
        try {
            guest.powerOff();
        } finally {
            guest.close();
            server.close();
        }
    }

    @Test
    void theDriverHasBothFunctions() {
        assertThat(guest.sh("lspci -vv -d 8086:154c"))
                .contains("MSI-X: Enable+ Count=5", "Kernel driver in use: iavf", "FLReset+");
        assertThat(guest.sh("ls /sys/bus/pci/drivers/iavf | grep -c 0000")).isEqualTo("2");
    }

    @Test
    void theLinkIsUpWithItsSpeed() {
        assertThat(guest.sh("cat /sys/class/net/" + first + "/speed")).isEqualTo("10000");
        assertThat(guest.sh("dmesg | grep -c 'NIC Link is Up Speed is 10 Gbps'"))
                .isNotEqualTo("0");
    }

    @Test
    void theyPingEachOther() {
        assertThat(guest.sh("ping -c 5 -W 5 10.0.0.2")).contains("5 packets transmitted, 5 packets received");
        assertThat(guest.sh(there("ping -c 5 -W 5 -s 1400 10.0.0.1"))).contains("5 packets received");
    }

    /** With segments cut and checksums filled in by the function, and checked by the guest. */
    @ParameterizedTest
    @ValueSource(ints = {1500, 9000})
    void whatIsCopiedHasTheSameChecksum(int mtu) {
        guest.sh("ip link set " + first + " mtu " + mtu);
        guest.sh(there("ip link set " + second + " mtu " + mtu));
        awaitCarrier();
        guest.sh("ping -c 1 -W 5 10.0.0.2");
        long before = server.statistics(1).txBytes();
        guest.sh(there("nc -l -p 5000 <> /tmp/open > /tmp/received &") + " NC=$!");
        guest.sh("until " + there("netstat -ltn") + " | grep -q :5000; do sleep 0.1; done");
        guest.sh("nc 10.0.0.2 5000 < /tmp/sent; wait $NC");
        guest.sh("cmp /tmp/sent /tmp/received");
        assertThat(server.statistics(1).txBytes() - before).isGreaterThan((long) COPIED_MIB << 20);
        // The last number of the second line: InCsumErrors.
        assertThat(guest.sh(there("awk '/^Tcp:/ { print $NF }' /proc/net/snmp | tail -n1")))
                .isEqualTo("0");
    }

    @Test
    void anotherAddressIsHeardAndTheOldOneIsNot() {
        guest.sh(there("ip link set " + second + " address 02:00:00:00:00:77"));
        guest.sh("arp -d 10.0.0.2 || true");
        assertThat(guest.sh("ping -c 3 -W 5 10.0.0.2")).contains("3 packets received");
        guest.sh("arp -s 10.0.0.2 02:00:00:00:00:02");
        assertThat(guest.run("ping -c 1 -W 2 10.0.0.2").exit()).isNotZero();
        guest.sh("arp -d 10.0.0.2");
        guest.sh(there("ip link set " + second + " address 02:00:00:00:00:02"));
        assertThat(guest.sh("ping -c 3 -W 5 10.0.0.2")).contains("3 packets received");
    }

    @Test
    void nothingThatTheDriverDidWasAMistake() {
        assertThat(server.statistics(1).faults()).isZero();
        assertThat(server.statistics(2).faults()).isZero();
        assertThat(server.statistics(1).txErrors()).isZero();
        assertThat(guest.sh("dmesg | grep iavf | grep -ci -e timeout -e reset -e fail -e error || true"))
                .isEqualTo("0");
    }

    private void awaitCarrier() {
        for (String command :
                new String[] {"cat /sys/class/net/" + first + "/carrier", there("cat /sys/class/net/*/carrier")}) {
            guest.sh("until " + command + " 2>/dev/null | grep -q 1; do sleep 0.1; done");
        }
    }

    private String there(String command) {
        return "nsenter -t $NS -n " + command;
    }

    private String interfaceOf(int number) {
        return guest.sh("until grep -l 02:00:00:00:00:0" + number
                + " /sys/class/net/*/address | cut -d/ -f5 | grep .; do sleep 0.1; done");
    }
}
