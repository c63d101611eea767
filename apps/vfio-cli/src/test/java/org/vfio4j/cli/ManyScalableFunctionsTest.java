package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ManyScalableFunctionsTest {

    private static final int COUNT = 1000;

    @TempDir
    private Path directory;

    @Test
    @Timeout(120)
    void aThousand() throws Exception {
        try (CliProcess server = new CliProcess(directory, "serve", "bluefield", "sfs=" + COUNT, "--address", "0000:07:00.0")) {
            while (!server.out().contains("lspci")) {
                assertThat(server.isAlive()).as("%s", server).isTrue();
                CliProcess.pause();
            }
            System.err.println("idle: " + status(server.pid()));
            Path control = directory.resolve("vfio4j").resolve(Long.toString(server.pid())).resolve("control");
            long start = System.nanoTime();
            List<String> uuids = new ArrayList<>();
            for (int i = 0; i < COUNT; i++) {
                String uuid = new UUID(1, i).toString();
                uuids.add(uuid);
                String reply = ask(control, new MdevRequest(MdevRequest.START, uuid, "0000:07:00.0", i % 2 == 0 ? "mlx5_core-virtio_blk_small" : "mlx5_core-nvme_small", directory.resolve(i + ".sock").toString(), List.of(), 0).line());
                assertThat(reply).contains("\"kind\":\"Mdev\"");
                if (i % 100 == 99) System.err.println(i + " " + (System.nanoTime() - start) / 1e6);
            }
            System.err.println("made: " + status(server.pid()));
            long t0 = ticks(server.pid());
            Thread.sleep(3000);
            System.err.println("ticks in 3 s: " + (ticks(server.pid()) - t0));
            start = System.nanoTime();
            for (String uuid : uuids) {
                ask(control, MdevRequest.stop(uuid, 1000).line());
            }
            System.err.println("stopped in " + (System.nanoTime() - start) / 1e6);
            System.err.println("gone: " + status(server.pid()));
            server.signal("TERM");
            assertThat(server.exitCode()).isZero();
        }
    }

    private static String ask(Path control, String line) {
        try (LineSocket socket = new LineSocket(org.vfio4j.sys.UnixSocket.connect(control))) {
            socket.write(line, 1_000_000_000);
            return socket.read(1 << 20, 5_000_000_000L, ns -> {});
        }
    }

    private static long ticks(long pid) throws IOException {
        String[] f = Files.readString(Path.of("/proc/" + pid + "/stat")).replaceFirst(".*\\) ", "").split(" ");
        return Long.parseLong(f[11]) + Long.parseLong(f[12]);
    }

    private static String status(long pid) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream().filter(l -> l.startsWith("VmRSS") || l.startsWith("Threads") || l.startsWith("RssAnon")).toList() + " fds " + Files.list(Path.of("/proc/" + pid + "/fd")).count();
    }
}
