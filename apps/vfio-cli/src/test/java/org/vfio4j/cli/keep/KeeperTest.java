package org.vfio4j.cli.keep;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.load.VerifiedLoad;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;

/** Servers in processes of their own that are killed again and again, and a driver that goes on. */
class KeeperTest {

    private static final int KILLS = 10;
    private static final RestartLimit NO_LIMIT = new RestartLimit(3, Duration.ofMillis(1));

    private final Leaks before = Leaks.snapshot();

    @TempDir
    private Path directory;

    private KeeperRun keeper;

    @AfterEach
    void close() {
        keeper.close();
        before.assertNone();
    }

    @ParameterizedTest
    @ValueSource(strings = {"memory=8M", "file=disk.img io=uring", "file=disk.img io=sync queue-size=16"})
    void everyRequestOfAVerifiedLoadCompletesOnceThoughTheServerIsKilledTenTimes(String storage) throws Exception {
        Files.write(directory.resolve("disk.img"), new byte[8 << 20]);
        Path socket = directory.resolve("a.sock");
        start(NO_LIMIT, socket, storage.replace("disk.img", image()).split(" "));
        try (VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            VerifiedLoad load = new VerifiedLoad(driver, 1);
            keeper.replace(load, KILLS, keeper::kill);
            assertThat(load.completed.get()).isGreaterThan(8_000);
        }
        // The next client finds the device as after any other.
        try (VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            assertThat(driver.capacityBytes()).isEqualTo(8 << 20);
        }
    }

    @Test
    void aServerThatEndsInGoodOrderIsReplacedAsWell() throws Exception {
        Path socket = directory.resolve("a.sock");
        start(NO_LIMIT, socket, "memory=8M");
        try (VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            VerifiedLoad load = new VerifiedLoad(driver, 2);
            keeper.replace(load, 3, () -> keeper.server().destroy());
        }
        assertThat(keeper.err()).contains("has ended with 0");
    }

    /** What a server has that took over in good order is what one has that was started after a crash. */
    @ParameterizedTest
    @ValueSource(strings = {"memory=8M", "file=disk.img io=uring"})
    void aServerThatTookOverAsPlannedIsKilledAndTheNextOneGoesOn(String storage) throws Exception {
        Files.write(directory.resolve("disk.img"), new byte[8 << 20]);
        Path socket = directory.resolve("a.sock");
        start(NO_LIMIT, socket, storage.replace("disk.img", image()).split(" "));
        try (VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            VerifiedLoad load = new VerifiedLoad(driver, 3);
            Iterator<Runnable> ends = List.<Runnable>of(
                            keeper::upgrade, keeper::kill, keeper::kill, keeper::upgrade, keeper::upgrade, keeper::kill)
                    .iterator();
            keeper.replace(load, 6, () -> ends.next().run());
        }
        try (VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            assertThat(driver.capacityBytes()).isEqualTo(8 << 20);
        }
        assertThat(keeper.err().split("has ended with 137", -1)).hasSize(4);
        assertThat(keeper.err().split("has ended with 0", -1)).hasSize(4);
    }

    @Test
    void whicheverServerIsKilledDuringAReplacementTheClientsGoOn() throws Exception {
        Files.write(directory.resolve("disk.img"), new byte[8 << 20]);
        Path socket = directory.resolve("a.sock");
        start(NO_LIMIT, socket, "file=" + image());
        try (VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
                VirtioBlkDriver driver = disk(client)) {
            VerifiedLoad load = new VerifiedLoad(driver, 4);
            keeper.replace(load, 2, () -> {
                ProcessHandle server = keeper.server();
                long pid = server.pid();
                try (CliProcess refused = keeper.begin("upgrade", Long.toString(pid))) {
                    keeper.awaitNext(pid).destroyForcibly();
                    assertThat(refused.exitCode()).as("%s", refused).isEqualTo(ExitCode.FAILED);
                    assertThat(refused.err()).contains("process " + pid + " serves on");
                }
                assertThat(keeper.server().pid()).isEqualTo(pid);
                try (CliProcess upgrade = keeper.begin("upgrade", Long.toString(pid))) {
                    long next = keeper.awaitNext(pid).pid();
                    // Not the next one, which may have taken over already.
                    server.destroyForcibly();
                    assertThat(upgrade.exitCode()).as("%s", upgrade).isZero();
                    assertThat(keeper.server().pid()).isEqualTo(next);
                }
            });
        }
    }

    @Test
    void aServerThatNeverServedIsNotStartedAgain() {
        start(new RestartLimit(5, Duration.ofMinutes(1)), directory.resolve("a.sock"), "file=" + image() + ".missing");
        assertThat(keeper.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(keeper.log()).contains("missing").contains("try: truncate");
    }

    @Test
    void aServerThatDiesAgainAndAgainIsGivenUpAndItsClientsAreTold() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        Path socket = directory.resolve("a.sock");
        start(new RestartLimit(3, Duration.ofMinutes(1)), socket, "file=" + image);
        VfioUserClient client = VfioUserClient.connect(socket, KeeperRun.PATIENT);
        Files.delete(image);
        keeper.kill();
        assertThat(keeper.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(keeper.err()).contains("has ended with 137").contains("3 times within 60 s: giving up");
        keeper.close();
        assertThat(Files.exists(socket)).isFalse();
        client.close();
    }

    @Test
    void whatCannotGoOnAfterACrashIsRefused() {
        keeper = new KeeperRun(
                directory,
                new RestartLimit(5, Duration.ofMinutes(1)),
                List.of(
                        "i40e-vf",
                        "link=net0",
                        "--socket-path",
                        directory.resolve("a.sock").toString()));
        assertThat(keeper.exitCode()).isEqualTo(ExitCode.UNSUPPORTED);
        assertThat(keeper.log()).contains("a i40e-vf cannot go on after a crash");
    }

    @Test
    void aPathThatCannotBeListenedAtIsReportedByTheServer() {
        start(new RestartLimit(5, Duration.ofMinutes(1)), directory.resolve("no/such/a.sock"), "memory=8M");
        assertThat(keeper.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(keeper.log()).contains("try: mkdir -p");
    }

    private void start(RestartLimit limit, Path socket, String... settings) {
        List<String> words = new ArrayList<>(List.of("virtio-blk"));
        words.addAll(List.of(settings));
        words.addAll(List.of("--socket-path", socket.toString()));
        keeper = new KeeperRun(directory, limit, words);
        if (Files.isDirectory(socket.getParent())) {
            // Its file is there a moment before anybody listens at it.
            keeper.await("a server, or the end", () -> keeper.isServing() || keeper.hasEnded());
        }
    }

    private String image() {
        return directory.resolve("disk.img").toString();
    }

    private static VirtioBlkDriver disk(VfioUserClient client) {
        return VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes()));
    }
}
