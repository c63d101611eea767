package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.mdevcore.MdevDevice;

/** What Linux's own 8250_pci driver does with mdevs of mtty: one card with one port, one with two. */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestSerialTest {

    private static final String RAW = " raw -echo -crtscts clocal 115200";

    private static final long PATIENCE_NS = 30_000_000_000L;
    private static final long PAUSE_NS = 200_000_000;

    @TempDir
    private static Path dir;

    private SerialServer server;
    private MdevDevice dual;
    private QemuGuest guest;
    private String one;
    private String two;
    private String three;

    @BeforeAll
    void boot() {
        Path a = dir.resolve("a.sock");
        Path b = dir.resolve("b.sock");
        server = new SerialServer();
        server.serve("mtty-1", a);
        dual = server.serve("mtty-2", b);
        // More than there are: a driver that finds too many shows it.
        guest = QemuGuest.withDisks(a, b).option("--append", "8250.nr_uarts=8").boot();
        one = ttyOf("0000:00:04.0", 1);
        two = ttyOf("0000:00:05.0", 1);
        three = ttyOf("0000:00:05.0", 2);
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
    void theDriverFindsA16550AAtEachPort() {
        assertThat(guest.sh("dmesg | grep '0000:00:0[45].0: ttyS'"))
                .contains("0000:00:04.0: " + one, "0000:00:05.0: " + two, "0000:00:05.0: " + three)
                .contains("is a 16550A")
                .doesNotContain("is a 8250", "is a 16450", "is a 16550 ");
    }

    @Test
    void aPlugEchoesMoreThanAFifoHolds() {
        for (String tty : new String[] {one, two}) {
            guest.sh("stty -F /dev/" + tty + RAW);
            // Opened once: what comes while a port is closed is dropped.
            guest.sh("(exec 3<>/dev/" + tty
                    + "; head -c 1492 <&3 >/tmp/echo & seq 1 400 >&3; wait); seq 1 400 | cmp - /tmp/echo");
        }
    }

    @Test
    void somebodyAtTheSocketTalksToTheGuest() throws IOException {
        Path path = dir.resolve("console");
        dual.attribute("port1/peer").store("unix:" + path);
        guest.sh("stty -F /dev/" + three + RAW);
        try (SocketChannel person = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            person.connect(UnixDomainSocketAddress.of(path));
            person.configureBlocking(false);
            // What comes before the program has opened the port is dropped then: it says when it has.
            guest.sh("(exec 3<>/dev/" + three + "; echo go >&3; head -c 6 <&3 > /tmp/heard; cat /tmp/heard >&3) &");
            assertThat(heard(person, 3)).isEqualTo("go\n");
            person.write(ByteBuffer.wrap("hello\n".getBytes(StandardCharsets.US_ASCII)));
            assertThat(heard(person, 6)).isEqualTo("hello\n");
        }
        assertThat(dual.attribute("port1/baud").show()).isEqualTo("115200");
    }

    private static String heard(SocketChannel from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        long end = System.nanoTime() + PATIENCE_NS;
        while (bytes.hasRemaining() && System.nanoTime() < end) {
            from.read(bytes);
            LockSupport.parkNanos(PAUSE_NS);
        }
        return new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII);
    }

    private String ttyOf(String function, int number) {
        return guest.sh("dmesg | sed -n 's/.*" + function + ": \\(ttyS[0-9]*\\) at.*/\\1/p' | sed -n " + number + "p");
    }
}
