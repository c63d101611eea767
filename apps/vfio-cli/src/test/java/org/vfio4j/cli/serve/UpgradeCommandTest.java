package org.vfio4j.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.control.MdevRequest;
import org.vfio4j.cli.load.RunningLoad;
import org.vfio4j.cli.mdev.SfServer;
import org.vfio4j.cli.upgrade.MachineUpgrades;
import org.vfio4j.testkit.BusyMachine;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** {@code vfio upgrade} between processes: what of a server is not its clients' goes over as well, or stays where it was. */
@Timeout(400)
class UpgradeCommandTest {

    private static final long PATIENCE_NS = 120_000_000_000L;
    private static final Path PERL = Path.of("/usr/bin/perl");

    /** Listens at its first argument, and runs the rest with that as descriptor 9. */
    private static final String GIVES_A_SOCKET = "my $path = shift; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;"
            + " bind($s, sockaddr_un($path)) or die; listen($s, 4) or die; POSIX::dup2(fileno($s), 9) or die;"
            + " exec @ARGV or die;";

    private static final String CARD = "83b8f4f2-509f-382f-3c1e-e6bfe0fa3001";

    @TempDir
    private Path directory;

    private final List<CliProcess> processes = new ArrayList<>();

    @AfterEach
    void end() {
        for (CliProcess process : processes) {
            process.signal("TERM");
        }
        processes.forEach(CliProcess::exitCode);
        processes.forEach(CliProcess::close);
    }

    /** The tree of one process gives way to that of the next; an upgrade that fails leaves it where it is. */
    @Test
    void theTreesGoOver() throws IOException {
        assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "SKIPPED: no /dev/fuse that this user may open");
        Path tree = directory.resolve("sys");
        Path view = directory.resolve("view");
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        Path socket = directory.resolve("a.sock");
        CliProcess server = start(
                "serve",
                "virtio-blk",
                "file=" + image,
                "--socket-path",
                socket + "",
                "--sysfs-fuse",
                tree + "",
                "--sysfs",
                view + "");
        await(() -> server.out().contains("lspci:"));
        try (VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            CliProcess now = server;
            for (int i = 0; i < 2; i++) {
                Files.move(image, directory.resolve("away"));
                CliProcess refused = start("upgrade", now.pid() + "");
                assertThat(refused.exitCode()).isNotZero();
                assertThat(refused.err()).contains("disk.img");
                Files.move(directory.resolve("away"), image);
                assertThat(devices(tree)).containsExactly("0000:00:01.0");
                assertThat(devices(view.resolve("sys"))).containsExactly("0000:00:01.0");
                now = upgrade(now);
                assertThat(devices(tree)).containsExactly("0000:00:01.0");
                assertThat(devices(view.resolve("sys"))).containsExactly("0000:00:01.0");
                assertThat(client.info().numRegions()).isPositive();
            }
        }
        // A write acts in the process that serves.
        Files.writeString(tree.resolve("bus/pci/drivers/vfio-pci/unbind"), "0000:00:01.0");
        assertThat(socket).doesNotExist();
        Files.writeString(tree.resolve("bus/pci/drivers/vfio-pci/bind"), "0000:00:01.0");
        VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS).close();
    }

    /** Scalable functions that were made at run time, and virtual ones that were turned on, under load and between processes. */
    @Test
    void whatWasMadeAtRunTimeGoesOver() throws Exception {
        Path config = Files.writeString(directory.resolve("dpu.yaml"), """
                apiVersion: vfio4j/v1
                kind: Machine
                devices:
                  - device: bluefield
                    address: 0000:07:00.0
                    settings: {sfs: 2}
                  - device: nvme
                    address: 0000:08:00.0
                    emulated-by: 0000:07:00.0
                    settings: {memory: 1M}
                    virtual-functions:
                      - settings: {memory: 1M, doorbells: mapped}
                        socket-path: DIR/vf.sock
                """.replace("DIR", directory + ""));
        CliProcess server = start("serve", "--config", config + "");
        await(() -> server.out().contains("lspci:"));
        Path control = directory.resolve("vfio4j").resolve(server.pid() + "").resolve("control");
        SfServer.ask(
                control,
                new MdevRequest(
                        MdevRequest.START,
                        CARD,
                        "0000:07:00.0",
                        "mlx5_core-nvme_small",
                        directory.resolve("sf.sock") + "",
                        List.of(),
                        0));
        assertThat(start("sriov", "0000:08:00.0", "1", "--server", server.pid() + "")
                        .exitCode())
                .isZero();
        try (RunningLoad sf = RunningLoad.nvme(directory.resolve("sf.sock"), NvmeOptions.Doorbells.WRITTEN);
                RunningLoad vf = RunningLoad.nvme(directory.resolve("vf.sock"), NvmeOptions.Doorbells.MAPPED)) {
            CliProcess now = server;
            for (int i = 0; i < 2; i++) {
                sf.awaitMore();
                vf.awaitMore();
                now = upgrade(now);
                long pid = now.pid();
                await(() -> mostImportant(pid)
                        >= mostImportant(ProcessHandle.current().pid()));
            }
            sf.finish();
            vf.finish();
            CliProcess list = start("mdev", "list");
            assertThat(list.exitCode()).isZero();
            assertThat(list.out()).contains(CARD, now.pid() + "");
        }
    }

    @Test
    void aSerialCardIsRefusedWithTheReason() {
        CliProcess server = start(
                "serve", "mtty", "+", "virtio-blk", "memory=1M", "--socket-path", directory.resolve("a.sock") + "");
        await(() -> server.out().contains("lspci:"));
        Path control = directory.resolve("vfio4j").resolve(server.pid() + "").resolve("control");
        SfServer.ask(
                control,
                new MdevRequest(
                        MdevRequest.START, CARD, "mtty", "mtty-1", directory.resolve("c.sock") + "", List.of(), 0));
        CliProcess refused = start("upgrade", server.pid() + "");
        assertThat(refused.exitCode()).isNotZero();
        assertThat(refused.err()).contains("plugged into mdev " + CARD + " of mtty", "vfio mdev stop --uuid " + CARD);
        SfServer.ask(control, MdevRequest.stop(CARD, 1000));
        upgrade(server);
    }

    /** A parent's socket, which has another number in every process that takes over, or none. */
    @Test
    void aSocketOfAParentGoesOver() throws Exception {
        assumeTrue(Files.isExecutable(PERL), "SKIPPED: no " + PERL + " to give a socket");
        Path socket = directory.resolve("given.sock");
        CliProcess server = CliProcess.under(
                directory,
                List.of(PERL.toString(), "-MSocket", "-MPOSIX", "-e", GIVES_A_SOCKET, socket.toString()),
                "serve",
                "virtio-blk",
                "memory=4M",
                "--fd",
                "9");
        processes.add(server);
        await(() -> server.out().contains("lspci:"));
        assertThat(server.out()).contains("an inherited socket");
        try (RunningLoad load = RunningLoad.virtio(socket)) {
            CliProcess now = server;
            for (int i = 0; i < 2; i++) {
                load.awaitMore();
                now = upgrade(now);
                assertThat(now.out()).contains("an inherited socket");
            }
            load.awaitMore();
            load.finish();
        }
        // Whoever comes next comes to the same socket.
        VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS).close();
    }

    private CliProcess upgrade(CliProcess from) {
        // Also when another one has failed a moment ago.
        CliProcess to = tried(from);
        for (int i = 1; i < MachineUpgrades.ATTEMPTS && MachineUpgrades.isTooSlow(to.err()) && from.isAlive(); i++) {
            BusyMachine.excuse(to.err());
            to = tried(from);
        }
        assertThat(to.err()).as("%s", to).contains("took over");
        return took(from, to);
    }

    /** One that has taken over, or failed. */
    private CliProcess tried(CliProcess from) {
        CliProcess to = start("upgrade", from.pid() + "");
        await(() -> to.err().contains("took over") || !to.isAlive());
        return to;
    }

    private static CliProcess took(CliProcess from, CliProcess to) {
        assertThat(from.exitCode()).isZero();
        await(() -> to.out().contains("lspci:"));
        assertThat(to.err()).doesNotContain("no tree");
        return to;
    }

    private CliProcess start(String... words) {
        CliProcess process = new CliProcess(directory, words);
        processes.add(process);
        return process;
    }

    private static List<String> devices(Path sys) {
        String[] names = sys.resolve("bus/pci/devices").toFile().list();
        return names == null ? List.of() : List.of(names);
    }

    /** The least niceness of a process's threads: proc_pid_stat(5). */
    private static int mostImportant(long pid) {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
            return tasks.mapToInt(UpgradeCommandTest::nice).min().orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int nice(Path task) {
        try {
            String stat = Files.readString(task.resolve("stat"));
            return Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[16]);
        } catch (IOException e) {
            // It has ended.
            return Integer.MAX_VALUE;
        }
    }

    private static void await(BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            CliProcess.pause();
        }
    }
}
