package org.vfio4j.cli.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.text.ExitCode;

/** A guest in user space whose server dies says so at once, whatever it does and whichever disk it has. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class GuestServerLossTest {

    /** To notice, and to end a JVM on a machine that has other things to do; waiting for the disk takes 20 s. */
    private static final long AT_ONCE_NS = 15_000_000_000L;

    private static final String LOST = "has gone while the guest ran";

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"virtio-blk, 16", "virtio-blk, 0", "nvme, 16", "nvme, 0"})
    void itEndsWithOneLineAndAHint(String kind, int depth) {
        Path socket = directory.resolve("disk.sock");
        try (CliProcess server = serve(kind, socket);
                CliProcess guest = guest(socket, depth)) {
            guest.awaitErr("a guest runs on ");
            awaitWork(depth > 0);
            kill(server);
            assertLost(guest, socket);
        }
    }

    /** A stream of its own memory's changes goes to nobody any more, and is called off. */
    @Test
    void itEndsWhileItWaitsForSomebodyToMoveToAsWell() {
        Path socket = directory.resolve("disk.sock");
        try (CliProcess server = serve("virtio-blk", socket);
                CliProcess guest = guest(socket, 16)) {
            guest.awaitErr("a guest runs on ");
            try (CliProcess move =
                    new CliProcess(directory, "migrate", socket.toString(), "tcp:127.0.0.1:1", "--timeout", "100ms")) {
                assertThat(move.exitCode()).as("%s", move).isNotZero();
            }
            kill(server);
            assertLost(guest, socket);
        }
    }

    private void assertLost(CliProcess guest, Path socket) {
        long start = System.nanoTime();
        assertThat(guest.exitCode()).as("%s", guest).isEqualTo(ExitCode.UNREACHABLE);
        assertThat(System.nanoTime() - start).isLessThan(AT_ONCE_NS);
        String[] lines = guest.err().split("\n", -1);
        assertThat(lines).as("%s", guest).hasSize(4);
        assertThat(lines[1]).isEqualTo("vfio: guest: the server at " + socket + " " + LOST);
        assertThat(lines[2]).startsWith("try: vfio serve").contains("--supervised");
        assertThat(guest.out()).isEmpty();
    }

    private CliProcess serve(String kind, Path socket) {
        CliProcess server = new CliProcess(directory, "serve", kind, "memory=16M", "--socket-path", socket.toString());
        while (server.isAlive() && !server.out().contains("lspci")) {
            CliProcess.pause();
        }
        return server;
    }

    private CliProcess guest(Path socket, int depth) {
        return new CliProcess(
                directory, "guest", "--socket-path", socket.toString(), "--queue-depth", Integer.toString(depth));
    }

    private static void awaitWork(boolean any) {
        for (int i = 0; any && i < 10; i++) {
            CliProcess.pause();
        }
    }

    private static void kill(CliProcess server) {
        server.signal("KILL");
        server.exitCode();
    }
}
