package org.vfio4j.cli.keep;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** {@code vfio serve --supervised} as a process, with the server that it starts as another. */
class SupervisedCommandTest {

    private static final long PATIENCE_NS = 60_000_000_000L;
    private static final VfioUserClientOptions PATIENT = VfioUserClientOptions.DEFAULTS.withTimeoutNs(PATIENCE_NS);

    @TempDir
    private Path directory;

    @Test
    void aKilledServerIsReplacedAndBothEndWithTheKeeper() throws Exception {
        Path socket = directory.resolve("a.sock");
        try (CliProcess keeper = serve(socket)) {
            await(() -> keeper.out().contains("lspci:"));
            assertThat(keeper.out()).contains("listening on " + socket + ": 0000:00:01.0 virtio-blk");
            ProcessHandle first = server(keeper);
            try (VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
                    CliProcess ls = new CliProcess(directory, "ls")) {
                assertThat(ls.exitCode()).isZero();
                assertThat(ls.out()).contains(socket.toString()).contains(Long.toString(first.pid()));
                first.destroyForcibly();
                keeper.awaitErr("has ended with 137");
                keeper.awaitErr("serves where the other did");
                assertThat(client.info().numRegions()).isPositive();
            }
            ProcessHandle second = server(keeper);
            assertThat(second.pid()).isNotEqualTo(first.pid());
            keeper.signal("TERM");
            assertThat(keeper.exitCode()).isZero();
            assertThat(second.isAlive()).isFalse();
            assertThat(Files.exists(socket)).isFalse();
            assertThat(keeper.err()).doesNotContain("Exception");
        }
    }

    @Test
    void aServerEndsWithItsKeeper() {
        try (CliProcess keeper = serve(directory.resolve("a.sock"))) {
            await(() -> keeper.out().contains("lspci:"));
            ProcessHandle server = server(keeper);
            keeper.signal("KILL");
            await(() -> !server.isAlive());
        }
    }

    @Test
    void anUpgradeHasTheKeeperReplaceItAndWaitsForThat() throws Exception {
        Path socket = directory.resolve("a.sock");
        try (CliProcess keeper = serve(socket)) {
            await(() -> keeper.out().contains("lspci:"));
            long pid = server(keeper).pid();
            try (VfioUserClient client = VfioUserClient.connect(socket, PATIENT);
                    CliProcess upgrade = new CliProcess(directory, "upgrade")) {
                assertThat(upgrade.exitCode()).as(upgrade.toString()).isZero();
                ProcessHandle next = server(keeper);
                assertThat(next.pid()).isNotEqualTo(pid);
                assertThat(upgrade.err())
                        .contains("process " + pid + " is supervised")
                        .containsPattern("process " + next.pid()
                                + " took over 1 functions; their clients waited for [0-9.]+ ms");
                assertThat(upgrade.out()).contains("listening on " + socket + ": 0000:00:01.0 virtio-blk, 1 MiB");
                assertThat(client.info().numRegions()).isPositive();
            }
            keeper.signal("TERM");
            assertThat(keeper.exitCode()).isZero();
        }
    }

    @Test
    void anUpgradeThatFailsSaysSoAndTheServerServesOn() throws Exception {
        Path socket = directory.resolve("a.sock");
        Path config = directory.resolve("machine.yaml");
        String device = "apiVersion: vfio4j/v1\nkind: Machine\ndevices:\n"
                + "  - {device: virtio-blk, address: 0000:00:01.0, socket-path: " + socket
                + ", settings: {memory: %s}}\n";
        Files.writeString(config, String.format(device, "1M"));
        try (CliProcess keeper =
                new CliProcess(directory, "serve", "--config", config.toString(), "--supervised", "-o", "json")) {
            await(() -> keeper.out().contains("\"Server\""));
            long pid = server(keeper).pid();
            try (VfioUserClient client = VfioUserClient.connect(socket, PATIENT)) {
                Files.writeString(config, String.format(device, "2M"));
                try (CliProcess upgrade = new CliProcess(directory, "upgrade", Long.toString(pid))) {
                    assertThat(upgrade.exitCode()).isEqualTo(ExitCode.FAILED);
                    assertThat(upgrade.err()).contains("before it was ready").contains("process " + pid + " serves on");
                }
                assertThat(server(keeper).pid()).isEqualTo(pid);
                assertThat(client.info().numRegions()).isPositive();
                Files.writeString(config, String.format(device, "1M"));
                try (CliProcess upgrade = new CliProcess(directory, "upgrade", Long.toString(pid))) {
                    assertThat(upgrade.exitCode()).as(upgrade.toString()).isZero();
                    assertThat(upgrade.out()).contains("\"Server\"").contains(socket.toString());
                }
                assertThat(client.info().numRegions()).isPositive();
            }
            keeper.signal("TERM");
            assertThat(keeper.exitCode()).isZero();
        }
    }

    @Test
    void whatEndsWithItsServerIsRefusedAtOnce() {
        try (CliProcess keeper = new CliProcess(
                directory,
                "serve",
                "virtio-blk",
                "memory=1M",
                "--socket-path",
                directory.resolve("a.sock").toString(),
                "--supervised",
                "--run",
                "true")) {
            assertThat(keeper.exitCode()).isEqualTo(ExitCode.USAGE);
            assertThat(keeper.err()).contains("--run ends with its server");
        }
    }

    private CliProcess serve(Path socket) {
        return new CliProcess(
                directory, "serve", "virtio-blk", "memory=1M", "--socket-path", socket.toString(), "--supervised");
    }

    /** The only one: another may not have ended yet. */
    private static ProcessHandle server(CliProcess keeper) {
        await(() -> children(keeper).size() == 1);
        return children(keeper).getFirst();
    }

    private static List<ProcessHandle> children(CliProcess keeper) {
        return ProcessHandle.of(keeper.pid()).stream()
                .flatMap(ProcessHandle::children)
                .toList();
    }

    private static void await(BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            CliProcess.pause();
        }
    }
}
