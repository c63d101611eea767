package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** Servers in processes of their own that are killed again and again, and a driver that goes on. */
class KeeperTest {

    private static final int KILLS = 10;
    private static final long PATIENCE_NS = 60_000_000_000L;
    // Both wait for long, which a common pool of a small machine cannot bear.
    private static final Executor OWN_THREAD =
            task -> Thread.ofPlatform().daemon().start(task);
    private static final VfioUserClientOptions PATIENT = VfioUserClientOptions.DEFAULTS.withTimeoutNs(PATIENCE_NS);

    private final Leaks before = Leaks.snapshot();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path directory;

    private Keeper keeper;
    private CompletableFuture<Integer> ended;
    private boolean isClosed;

    @AfterEach
    void close() {
        keeper.stop();
        ended.join();
        if (!isClosed) {
            keeper.close();
        }
        before.assertNone();
    }

    @ParameterizedTest
    @ValueSource(strings = {"memory=8M", "file=disk.img io=uring", "file=disk.img io=sync queue-size=16"})
    void everyRequestOfAVerifiedLoadCompletesOnceThoughTheServerIsKilledTenTimes(String storage) throws Exception {
        Files.write(directory.resolve("disk.img"), new byte[8 << 20]);
        Path socket = directory.resolve("a.sock");
        start(
                new RestartLimit(3, Duration.ofMillis(1)),
                socket,
                storage.replace("disk.img", image()).split(" "));
        try (VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            VerifiedLoad load = new VerifiedLoad(driver, 1);
            replace(load, KILLS, this::kill);
            assertThat(load.completed.get()).isGreaterThan(8_000);
        }
        // The next client finds the device as after any other.
        try (VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            assertThat(driver.capacityBytes()).isEqualTo(8 << 20);
        }
    }

    @Test
    void aServerThatEndsInGoodOrderIsReplacedAsWell() throws Exception {
        Path socket = directory.resolve("a.sock");
        start(new RestartLimit(3, Duration.ofMillis(1)), socket, "memory=8M");
        try (VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            VerifiedLoad load = new VerifiedLoad(driver, 2);
            replace(load, 3, () -> server().destroy());
        }
        assertThat(err.toString()).contains("has ended with 0");
    }

    /** Has the server end so many times, with the load under way. */
    private void replace(VerifiedLoad load, int times, Runnable end) {
        CompletableFuture<Void> running = CompletableFuture.runAsync(load, OWN_THREAD);
        try {
            for (int i = 1; i <= times; i++) {
                long done = load.completed.get();
                int wanted = 500 * (i % 4);
                await("progress", () -> load.completed.get() > done + wanted || running.isDone());
                assertThat(running).as("the load").isNotDone();
                end.run();
                int count = i;
                await("another server", () -> serverCount() == count || running.isDone());
            }
        } finally {
            // Whatever happens: it uses memory that goes with its driver.
            load.stop = true;
            running.join();
        }
    }

    @Test
    void aServerThatNeverServedIsNotStartedAgain() {
        start(new RestartLimit(5, Duration.ofMinutes(1)), directory.resolve("a.sock"), "file=" + image() + ".missing");
        assertThat(ended.join()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(log()).contains("missing").contains("try: truncate");
    }

    @Test
    void aServerThatDiesAgainAndAgainIsGivenUpAndItsClientsAreTold() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        Path socket = directory.resolve("a.sock");
        start(new RestartLimit(3, Duration.ofMinutes(1)), socket, "file=" + image);
        VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
        Files.delete(image);
        kill();
        assertThat(ended.join()).isEqualTo(ExitCode.FAILED);
        assertThat(err.toString()).contains("has ended with 137").contains("3 times within 60 s: giving up");
        keeper.close();
        isClosed = true;
        assertThat(Files.exists(socket)).isFalse();
        client.close();
    }

    @Test
    void whatCannotGoOnAfterACrashIsRefused() {
        startProgram(
                new RestartLimit(5, Duration.ofMinutes(1)),
                "i40e-vf",
                "link=net0",
                "--socket-path",
                directory.resolve("a.sock").toString());
        assertThat(ended.join()).isEqualTo(ExitCode.UNSUPPORTED);
        assertThat(log()).contains("a i40e-vf cannot go on after a crash");
    }

    @Test
    void aPathThatCannotBeListenedAtIsReportedByTheServer() {
        start(new RestartLimit(5, Duration.ofMinutes(1)), directory.resolve("no/such/a.sock"), "memory=8M");
        assertThat(ended.join()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(log()).contains("try: mkdir -p");
    }

    private void start(RestartLimit limit, Path socket, String... settings) {
        List<String> words = new ArrayList<>(List.of("virtio-blk"));
        words.addAll(List.of(settings));
        words.addAll(List.of("--socket-path", socket.toString()));
        startProgram(limit, words.toArray(String[]::new));
        if (Files.isDirectory(socket.getParent())) {
            await("a socket, or the end", () -> Files.exists(socket) || ended.isDone());
        }
    }

    private void startProgram(RestartLimit limit, String... words) {
        List<String> program = new ArrayList<>(List.of(
                "/bin/sh",
                "-c",
                "exec env XDG_RUNTIME_DIR=" + directory + " \"$@\" >> " + directory.resolve("log") + " 2>&1",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                ServeCommand.NAME));
        program.addAll(List.of(words));
        keeper = new Keeper(program, limit, new PrintWriter(err, true));
        ended = CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return keeper.run();
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                },
                OWN_THREAD);
    }

    private void kill() {
        server().destroyForcibly();
    }

    private ProcessHandle server() {
        return ProcessHandle.of(keeper.serverPid()).orElseThrow();
    }

    private int serverCount() {
        return err.toString().split("serves where the other did", -1).length - 1;
    }

    private String image() {
        return directory.resolve("disk.img").toString();
    }

    private String log() {
        try {
            return Files.readString(directory.resolve("log"));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static VirtioBlkDriver disk(VfioUserClient client) {
        return VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes()));
    }

    private void await(String what, BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).as("%s; %s", what, err).isLessThan(deadline);
            CliProcess.pause();
        }
    }
}
