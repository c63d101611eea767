package org.vfio4j.cli.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.mdev.SfServer;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.UnixSocket;

/** A guest in a process of its own moves to others, as people do it; the disks' storage is shared. */
@Timeout(value = 400, unit = TimeUnit.SECONDS)
class MigrateCommandTest {

    private static final String[] LOAD = {"--memory", "32M", "--reads", "30", "--dirty-rate", "10M"};
    private static final String ENDLESS = "1us";

    @TempDir
    Path directory;

    private final MemoryBackend storage = new MemoryBackend(16 << 20);
    private MigratableDisk first;
    private MigratableDisk second;

    @BeforeEach
    void serve() {
        first = new MigratableDisk(storage, directory.resolve("a.sock"));
        second = new MigratableDisk(storage, directory.resolve("b.sock"));
    }

    @AfterEach
    void close() {
        first.close();
        second.close();
        storage.close();
    }

    @Test
    void movesToAndFroUnderLoad() {
        CliProcess guest = guest();
        for (int i = 0; i < 3; i++) {
            MigratableDisk from = i % 2 == 0 ? first : second;
            MigratableDisk to = i % 2 == 0 ? second : first;
            CliProcess there = accept(to);
            try (CliProcess moved = vfio("migrate", from.socket(), address(there), "-o", "json")) {
                assertThat(moved.exitCode()).as("%s", moved).isZero();
                assertThat(moved.out()).contains("\"phase\" : \"MOVED\"", "\"downtimeMs\" : ");
            }
            assertThat(guest.exitCode()).as("%s", guest).isZero();
            assertThat(guest.out()).startsWith("the guest has moved: ");
            guest.close();
            there.awaitErr("a guest runs on ");
            guest = there;
        }
        endsWell(guest, 3);
    }

    /** Two servers of one file, which is with the guest, named by its function's address. */
    @Test
    void aFileGoesAlong() throws IOException {
        Path image = image("disk.img", 16 << 20);
        Path[] sockets = {directory.resolve("here.sock"), directory.resolve("there.sock")};
        try (CliProcess here = serve("file=" + image, "", sockets[0]);
                CliProcess refused = serve("file=" + image, "", sockets[1])) {
            assertThat(refused.exitCode()).isEqualTo(ExitCode.BUSY);
            try (CliProcess there = serve("file=" + image, "incoming", sockets[1]);
                    CliProcess guest = vfio(with(List.of("guest", "--socket-path", sockets[0].toString()), LOAD))) {
                guest.awaitErr("a guest runs on ");
                CliProcess second = accept(sockets[1].toString());
                moved("0000:00:01.1", second);
                assertThat(guest.exitCode()).isZero();
                CliProcess third = accept(sockets[0].toString());
                moved("0000:00:01.1", third);
                assertThat(second.exitCode()).isZero();
                second.close();
                endsWell(third, 2);
                assertThat(here.isAlive() && there.isAlive()).isTrue();
            }
        }
    }

    /** Two servers, each with its own file, or memory: what is in it goes along, there and back. */
    @Test
    void storageGoesAlong() throws IOException {
        Path image = image("disk.img", 16 << 20);
        Path[] sockets = {directory.resolve("here.sock"), directory.resolve("there.sock")};
        try (CliProcess here = serve("file=" + image, "", sockets[0]);
                CliProcess there = serve("memory=16M", "", sockets[1]);
                CliProcess guest = vfio(with(List.of("guest", "--socket-path", sockets[0].toString()), LOAD))) {
            guest.awaitErr("a guest runs on ");
            CliProcess second = accept(sockets[1].toString(), "--storage=copy");
            refused(sockets[0].toString(), second, "its storage does not come along");
            moved(sockets[0].toString(), second, "--storage=copy");
            assertThat(guest.exitCode()).as("%s", guest).isZero();
            CliProcess third = accept(sockets[0].toString());
            try (CliProcess move = vfio("migrate", sockets[1].toString(), address(third), "--storage=copy")) {
                assertThat(move.exitCode()).as("%s", move).isEqualTo(ExitCode.FAILED);
                assertThat(move.err()).contains("its storage comes along", "goes on here");
            }
            third.signal("TERM");
            assertThat(third.exitCode()).isZero();
            third.close();
            CliProcess fourth = accept(sockets[0].toString(), "--storage=copy");
            moved(sockets[1].toString(), fourth, "--storage=copy");
            second.close();
            endsWell(fourth, 2);
            assertThat(here.isAlive() && there.isAlive()).isTrue();
        }
    }

    /** With the file that both sides have, and back with a copy. */
    @Test
    void anNvmeGuestMovesToo() throws IOException {
        Path image = image("disk.img", 16 << 20);
        Path[] sockets = {directory.resolve("a.nvme"), directory.resolve("b.nvme"), directory.resolve("c.nvme")};
        try (CliProcess here = serve(List.of("nvme", "file=" + image), sockets[0]);
                CliProcess there = serve(List.of("nvme", "file=" + image, "incoming"), sockets[1]);
                CliProcess third = serve(List.of("nvme", "memory=16M"), sockets[2]);
                CliProcess guest = vfio(with(List.of("guest", "--socket-path", sockets[0].toString()), LOAD))) {
            guest.awaitErr("a guest runs on ");
            CliProcess second = accept(sockets[1].toString());
            moved(sockets[0].toString(), second);
            CliProcess last = accept(sockets[2].toString(), "--storage=copy");
            moved(sockets[1].toString(), last, "--storage=copy");
            assertThat(second.exitCode()).isZero();
            second.close();
            endsWell(last, 2);
            assertThat(here.isAlive() && there.isAlive() && third.isAlive()).isTrue();
        }
    }

    /** Nothing is copied onto itself. */
    @Test
    void storageIsNoCopyOfItself() throws IOException {
        Path image = image("disk.img", 16 << 20);
        Path[] sockets = {directory.resolve("here.sock"), directory.resolve("there.sock")};
        try (CliProcess here = serve("file=" + image, "", sockets[0]);
                CliProcess there = serve("file=" + image, "incoming", sockets[1]);
                CliProcess accept = accept(sockets[1].toString(), "--storage=copy")) {
            assertThat(accept.exitCode()).as("%s", accept).isEqualTo(ExitCode.BUSY);
            assertThat(accept.err()).contains("which another server has");
            assertThat(here.isAlive() && there.isAlive()).isTrue();
        }
    }

    @Test
    void goesOnWhenTheDestinationDiesWithItsStorage() throws IOException {
        Path[] sockets = {directory.resolve("here.sock"), directory.resolve("there.sock")};
        try (CliProcess here = serve("memory=16M", "", sockets[0]);
                CliProcess guest = vfio(with(List.of("guest", "--socket-path", sockets[0].toString()), LOAD))) {
            guest.awaitErr("a guest runs on ");
            for (boolean server : new boolean[] {true, false}) {
                try (CliProcess there = serve("memory=16M", "", sockets[1]);
                        CliProcess accept = accept(sockets[1].toString(), "--storage=copy");
                        CliProcess move = vfio(
                                "migrate",
                                sockets[0].toString(),
                                address(accept),
                                "--storage=copy",
                                "--max-downtime",
                                ENDLESS)) {
                    awaitMoving(guest);
                    (server ? there : accept).signal("KILL");
                    assertThat(move.exitCode()).as("%s", move).isNotZero();
                    assertThat(move.err()).contains("goes on here");
                }
            }
            assertThat(here.isAlive()).isTrue();
            endsWell(guest, 0);
        }
    }

    /** Two servers have a scalable function of one name each, on storage that they share. */
    @ParameterizedTest
    @ValueSource(strings = {"virtio_blk_small", "nvme_small"})
    void aScalableFunctionMovesUnderLoad(String type) throws IOException {
        String storage = "sf-storage=" + Files.createDirectory(directory.resolve("storage"));
        String uuid = UUID.randomUUID().toString();
        Path[] sockets = {directory.resolve("here.sock"), directory.resolve("there.sock")};
        try (SfServer here = new SfServer(directory, "sfs=4", storage);
                SfServer there = new SfServer(directory, "sfs=4", storage)) {
            here.start(uuid, type, sockets[0]);
            there.start(uuid, type, sockets[1]);
            CliProcess guest = vfio(with(List.of("guest", "--socket-path", sockets[0].toString()), LOAD));
            guest.awaitErr("a guest runs on ");
            for (int i = 0; i < 2; i++) {
                CliProcess next = accept(sockets[(i + 1) % 2].toString());
                moved(sockets[i].toString(), next);
                assertThat(guest.exitCode()).as("%s", guest).isZero();
                guest.close();
                guest = next;
            }
            endsWell(guest, 2);
        }
    }

    @Test
    void goesOnWhenItIsCalledOff() {
        try (CliProcess guest = guest();
                CliProcess there = accept(second);
                CliProcess move =
                        vfio("migrate", Long.toString(guest.pid()), address(there), "--max-downtime", ENDLESS)) {
            awaitMoving(guest);
            // What is started in the background may ignore SIGINT for ever.
            move.signal("TERM");
            assertThat(move.exitCode()).as("%s", move).isEqualTo(ExitCode.FAILED);
            assertThat(move.err()).contains("called off", "goes on here").contains("try: ");
            there.awaitErr("no guest has come");
            // It waits for the next.
            try (CliProcess again = vfio("migrate", first.socket(), address(there))) {
                assertThat(again.exitCode()).as("%s", again).isZero();
                assertThat(again.out()).startsWith("moved to tcp:127.0.0.1:").contains("downtime");
            }
            assertThat(guest.exitCode()).isZero();
            endsWell(there, 1);
        }
    }

    @Test
    void goesOnWhenTheOtherSideIsKilled() {
        try (CliProcess guest = guest();
                CliProcess there = accept(second);
                CliProcess move = vfio("migrate", first.socket(), address(there), "--max-downtime", ENDLESS)) {
            awaitMoving(guest);
            there.signal("KILL");
            assertThat(move.exitCode()).as("%s", move).isEqualTo(ExitCode.UNREACHABLE);
            assertThat(move.err()).contains("goes on here");
            endsWell(guest, 0);
        }
    }

    @Test
    void refusesADiskOfAnotherSize() {
        try (MemoryBackend larger = new MemoryBackend(32 << 20);
                MigratableDisk other = new MigratableDisk(larger, directory.resolve("c.sock"));
                CliProcess guest = guest();
                CliProcess there = accept(other);
                CliProcess move = vfio("migrate", first.socket(), address(there))) {
            assertThat(move.exitCode()).as("%s", move).isEqualTo(ExitCode.FAILED);
            assertThat(move.err()).contains("it has 33554432 bytes instead of 16777216", "goes on here");
            endsWell(guest, 0);
        }
    }

    @Test
    void movesUnderTls() throws Exception {
        Path password = Files.writeString(directory.resolve("password"), "changeit\n");
        Path store = keystore("both");
        // A key's own certificate is no anchor.
        Path trust = trusted(store);
        String[] tls = {
            "--tls-keystore",
            store.toString(),
            "--tls-truststore",
            trust.toString(),
            "--tls-password-file",
            password.toString()
        };
        String[] stranger = tls.clone();
        stranger[1] = keystore("stranger").toString();
        try (CliProcess guest = guest();
                CliProcess there = accept(second, tls)) {
            try (CliProcess move = vfio(with(List.of("migrate", first.socket(), address(there)), stranger))) {
                assertThat(move.exitCode()).as("%s", move).isNotZero();
                assertThat(move.err()).contains("TLS", "EACCES", "goes on here").contains("try: --tls-truststore");
            }
            try (CliProcess clear = vfio("migrate", first.socket(), address(there))) {
                assertThat(clear.exitCode()).as("%s", clear).isNotZero();
                assertThat(clear.err()).contains("goes on here");
            }
            try (CliProcess move = vfio(with(List.of("migrate", first.socket(), address(there)), tls))) {
                assertThat(move.exitCode()).as("%s", move).isZero();
            }
            assertThat(guest.exitCode()).isZero();
            endsWell(there, 1);
        }
    }

    @Test
    void saysWhatIsWrongWithTheWords() {
        assertThat(Cli.run("migrate").errorLines())
                .containsExactly(
                        "vfio: migrate: a guest and where it goes are needed", "try: vfio migrate ID tcp:HOST:PORT");
        assertThat(Cli.run("migrate", "/no/such.sock", "tcp:127.0.0.1:1").exitCode())
                .isEqualTo(ExitCode.NOT_FOUND);
        assertThat(Cli.run("migrate", "accept", "--listen", "127.0.0.1:1", "--socket-path", "x")
                        .err())
                .contains("expected tcp:HOST:PORT");
        assertThat(Cli.run("migrate", "accept", "--listen", "tcp:127.0.0.1:70000", "--socket-path", "x")
                        .exitCode())
                .isEqualTo(ExitCode.USAGE);
        assertThat(Cli.run("guest", "--socket-path", "x", "--queue-depth", "1000")
                        .exitCode())
                .isEqualTo(ExitCode.USAGE);
    }

    private Path keystore(String name) throws IOException, InterruptedException {
        Path store = directory.resolve(name + ".p12");
        Process keytool = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        name,
                        "-keyalg",
                        "EC",
                        "-dname",
                        "CN=" + name,
                        "-ext",
                        "san=ip:127.0.0.1",
                        "-storetype",
                        "PKCS12",
                        "-keystore",
                        store.toString(),
                        "-storepass",
                        "changeit"))
                .redirectErrorStream(true)
                .start();
        assertThat(keytool.waitFor()).isZero();
        return store;
    }

    private static Path trusted(Path store) throws Exception {
        KeyStore keys = KeyStore.getInstance(store.toFile(), "changeit".toCharArray());
        KeyStore anchors = KeyStore.getInstance("PKCS12");
        anchors.load(null, null);
        anchors.setCertificateEntry("both", keys.getCertificate("both"));
        Path file = store.resolveSibling("trust.p12");
        try (var to = Files.newOutputStream(file)) {
            anchors.store(to, "changeit".toCharArray());
        }
        return file;
    }

    private CliProcess guest() {
        CliProcess guest = vfio(with(List.of("guest", "--socket-path", first.socket()), LOAD));
        guest.awaitErr("a guest runs on ");
        return guest;
    }

    private CliProcess accept(MigratableDisk disk, String... more) {
        return accept(disk.socket(), more);
    }

    private CliProcess accept(String socket, String... more) {
        return vfio(with(List.of("migrate", "accept", "--listen", "tcp:127.0.0.1:0", "--socket-path", socket), more));
    }

    private void refused(String id, CliProcess there, String why) {
        try (CliProcess move = vfio("migrate", id, address(there))) {
            assertThat(move.exitCode()).as("%s", move).isEqualTo(ExitCode.FAILED);
            assertThat(move.err()).contains(why, "goes on here");
        }
    }

    private void moved(String id, CliProcess there, String... more) {
        try (CliProcess move = vfio(with(List.of("migrate", id, address(there)), more))) {
            assertThat(move.exitCode()).as("%s", move).isZero();
        }
        there.awaitErr("a guest runs on ");
    }

    private Path image(String name, long sizeBytes) throws IOException {
        Path image = directory.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(sizeBytes);
        }
        return image;
    }

    /** Returns when it serves, or has ended. */
    private CliProcess serve(String storage, String setting, Path socket) {
        List<String> device = new ArrayList<>(List.of("virtio-blk", storage));
        if (!setting.isEmpty()) {
            device.add(setting);
        }
        return serve(device, socket);
    }

    private CliProcess serve(List<String> device, Path socket) {
        List<String> words = new ArrayList<>(List.of("serve", "bluefield", "ports=1", "+"));
        words.addAll(device);
        words.addAll(List.of("--emulated-by", "0000:00:01.0", "--socket-path", socket.toString()));
        CliProcess server = vfio(words.toArray(String[]::new));
        while (server.isAlive() && !server.out().contains("lspci")) {
            CliProcess.pause();
        }
        return server;
    }

    private CliProcess vfio(String... arguments) {
        return new CliProcess(directory, arguments);
    }

    private static String[] with(List<String> words, String... more) {
        return Stream.concat(words.stream(), Arrays.stream(more)).toArray(String[]::new);
    }

    private static String address(CliProcess there) {
        return there.awaitErr("waiting for a guest at ");
    }

    private void awaitMoving(CliProcess guest) {
        long deadline = System.nanoTime() + 90_000_000_000L;
        String round = "";
        while (!round.contains("\"round\":") || round.contains("\"round\":0")) {
            assertThat(System.nanoTime()).as("%s", round).isLessThan(deadline);
            CliProcess.pause();
            Path control = directory
                    .resolve("vfio4j")
                    .resolve(Long.toString(guest.pid()))
                    .resolve("control");
            try (LineSocket socket = new LineSocket(UnixSocket.connect(control))) {
                socket.write(GuestRequest.of(GuestRequest.STATUS).line(), 1_000_000_000);
                round = socket.read(1 << 16, 20_000_000_000L, ns -> {});
            }
        }
    }

    private static void endsWell(CliProcess guest, int moves) {
        CliProcess.pause();
        assertThat(guest.isAlive()).as("%s", guest).isTrue();
        guest.signal("TERM");
        assertThat(guest.exitCode()).as("%s", guest).isZero();
        assertThat(guest.out()).contains(moves + " moves", "read back and right");
        guest.close();
    }
}
