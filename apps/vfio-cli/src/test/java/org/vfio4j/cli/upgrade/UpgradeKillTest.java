package org.vfio4j.cli.upgrade;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.load.RunningLoad;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.BusyMachine;
import org.vfio4j.userspace.nvme.NvmeOptions;

/** {@code vfio upgrade} whose process is killed, or stopped, at each of its steps: the server goes on, and the next one takes over. */
@Timeout(400)
class UpgradeKillTest {

    private static final long PATIENCE_NS = 120_000_000_000L;
    private static final int FUNCTIONS = 2;

    @TempDir
    private Path directory;

    private final List<CliProcess> processes = new ArrayList<>();
    private final List<RunningLoad> loads = new ArrayList<>();
    private CliProcess server;
    private UpgradeRelay relay;

    /** An NVMe controller whose driver stores into doorbells, which nothing can stop, and a disk in memory. */
    @BeforeEach
    void serve() throws Exception {
        Files.write(image(), new byte[4 << 20]);
        server = start(
                "serve",
                "nvme",
                "file=" + image(),
                "poll=always",
                "--socket-path",
                directory.resolve("a.sock").toString(),
                "+",
                "virtio-blk",
                "memory=4M",
                "--socket-path",
                directory.resolve("b.sock").toString());
        await("a server", () -> server.out().contains("lspci:"));
        loads.add(RunningLoad.nvme(directory.resolve("a.sock"), NvmeOptions.Doorbells.MAPPED));
        loads.add(RunningLoad.virtio(directory.resolve("b.sock")));
        Path control = directory.resolve("vfio4j").resolve(server.pid() + "").resolve("control");
        relay = new UpgradeRelay(directory, control);
    }

    @AfterEach
    void end() {
        loads.forEach(RunningLoad::close);
        relay.close();
        for (CliProcess process : processes) {
            process.signal("TERM");
        }
        processes.forEach(CliProcess::exitCode);
        processes.forEach(CliProcess::close);
    }

    @Test
    void theServerGoesOnWhereverTheNextOneIsKilled() {
        for (UpgradeRelay.Word word : UpgradeRelay.beforeTaken()) {
            CompletableFuture<CliProcess> next = new CompletableFuture<>();
            CompletableFuture<Void> talk = relay.talk(word, FUNCTIONS, at -> kill(next.join()));
            next.complete(start("upgrade", UpgradeRelay.pid()));
            talk.join();
            assertThat(next.join().err()).as("killed at %s", word).doesNotContain("took over");
            goesOn();
        }
        // At once, though the server may be rehearsing for the last one that was killed.
        CompletableFuture<CliProcess> last = new CompletableFuture<>();
        CompletableFuture<Void> talk = relay.talk(UpgradeRelay.Word.OFFER, FUNCTIONS, at -> kill(last.join()));
        last.complete(start("upgrade", UpgradeRelay.pid()));
        talk.join();
        takesOver();
    }

    /** It has all and may have it, and goes on when the server has given it up. */
    @Test
    void oneThatIsTooLateServesNothing() {
        CompletableFuture<CliProcess> next = new CompletableFuture<>();
        CompletableFuture<Void> talk = relay.talkOn(
                UpgradeRelay.Word.CLAIMS, FUNCTIONS, at -> next.join().freeze());
        next.complete(start("upgrade", UpgradeRelay.pid()));
        talk.join();
        goesOn();
        next.join().signal("CONT");
        assertThat(next.join().exitCode()).isNotZero();
        assertThat(next.join().err())
                // It sees it by the lock, or by the word that it cannot say any more.
                .containsAnyOf("which another server has", "the other process has not waited for that, or is gone")
                .doesNotContain("took over");
        goesOn();
        takesOver();
    }

    private void goesOn() {
        assertThat(server.isAlive()).isTrue();
        loads.forEach(RunningLoad::awaitMore);
        await("the lock", this::isLocked);
    }

    private boolean isLocked() {
        try {
            FileBackend.open(image(), false, FileIoMode.SYNC, FileCaching.PAGE_CACHE)
                    .close();
            return false;
        } catch (ErrnoException e) {
            return e.errno() == Errno.EBUSY;
        }
    }

    /** And each block has what was written last. */
    private void takesOver() {
        CliProcess next = tried();
        for (int i = 1;
                i < MachineUpgrades.ATTEMPTS && MachineUpgrades.isTooSlow(next.err()) && server.isAlive();
                i++) {
            BusyMachine.excuse(next.err());
            next = tried();
        }
        assertThat(next.err()).as("%s", next).contains("took over 2 functions");
        assertThat(server.exitCode()).isZero();
        loads.forEach(RunningLoad::awaitMore);
        loads.forEach(RunningLoad::finish);
    }

    /** One that has taken over, or failed. */
    private CliProcess tried() {
        CliProcess next = start("upgrade", server.pid() + "");
        await("the next server", () -> next.err().contains("took over") || !next.isAlive());
        return next;
    }

    private static void kill(CliProcess process) {
        process.signal("KILL");
        process.exitCode();
    }

    private Path image() {
        return directory.resolve("disk.img");
    }

    private CliProcess start(String... words) {
        CliProcess process = new CliProcess(directory, words);
        processes.add(process);
        return process;
    }

    private static void await(String what, BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).as(what).isLessThan(deadline);
            CliProcess.pause();
        }
    }
}
