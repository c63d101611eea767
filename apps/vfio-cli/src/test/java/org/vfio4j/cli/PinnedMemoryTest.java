package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.cli.upgrade.MachineUpgrades;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** Servers of disks with {@code pin}: who serves a guest has its memory, and nobody else. */
@Timeout(400)
class PinnedMemoryTest {

    private static final long PATIENCE_NS = 120_000_000_000L;
    private static final int MIB = 1 << 20;
    private static final int BLOCK = 4096;
    private static final long IOVA = 0x1_0000_0000L;
    private static final String[] LOAD = {"--memory", "32M", "--reads", "30", "--dirty-rate", "10M"};

    @TempDir
    private Path directory;

    private final List<CliProcess> processes = new ArrayList<>();
    private Path image;

    @BeforeEach
    void make() throws IOException {
        image = Files.write(directory.resolve("disk.img"), new byte[16 * MIB]);
    }

    @AfterEach
    void end() {
        for (CliProcess process : processes) {
            process.signal("TERM");
        }
        processes.forEach(CliProcess::exitCode);
        processes.forEach(CliProcess::close);
    }

    @Test
    void goesOverToTheNextProcessWithTheGuest() {
        Path socket = directory.resolve("a.sock");
        CliProcess server = start("serve", "virtio-blk", "file=" + image, "pin", "--socket-path", socket + "");
        await(() -> server.out().contains("listening"));
        CliProcess guest = guest(socket);
        CliProcess now = server;
        for (int i = 0; i < 3; i++) {
            awaitPinned(now);
            CliProcess old = now;
            now = upgrade(old);
            assertThat(old.exitCode()).as("%s", old).isZero();
        }
        awaitPinned(now);
        endsWell(guest, 0);
        CliProcess last = now;
        await(() -> pinnedKib(last) == 0);
    }

    @Test
    void goesToTheServerThatTheGuestMovesTo() {
        Path[] sockets = {directory.resolve("here.sock"), directory.resolve("there.sock")};
        CliProcess here = emulated(sockets[0], "pin");
        CliProcess there = emulated(sockets[1], "pin", "incoming");
        CliProcess guest = guest(sockets[0]);
        awaitPinned(here);
        assertThat(pinnedKib(there)).isZero();
        CliProcess back = moved(sockets[0], guest, sockets[1]);
        awaitPinned(there);
        await(() -> pinnedKib(here) == 0);
        CliProcess last = moved(sockets[1], back, sockets[0]);
        awaitPinned(here);
        await(() -> pinnedKib(there) == 0);
        endsWell(last, 2);
    }

    /** It is a file, which nobody can seal, and so neither mapped nor pinned. */
    @Test
    void memoryThatItsClientTruncatesIsAnErrorOfTheRequest() throws IOException {
        Path socket = directory.resolve("a.sock");
        CliProcess server = start("serve", "virtio-blk", "file=" + image, "pin", "--socket-path", socket + "");
        await(() -> server.out().contains("listening"));
        long bytes = 4L * MIB;
        Path file = Files.write(directory.resolve("memory"), new byte[4 * MIB]);
        try (Fd unsealed = FileIo.open(file, FileIo.O_RDWR);
                Mapping own = Mapping.shared(unsealed, 0, bytes, Mapping.PROT_READ | Mapping.PROT_WRITE);
                VfioUserClient client = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS)) {
            client.dmaMap(IOVA, bytes, DmaSpace.READ | DmaSpace.WRITE, unsealed, 0);
            DmaMemory memory = DmaMemory.of(IOVA, own.segment());
            try (VirtioBlkDriver driver = VirtioBlkDriver.open(client, memory, VirtioBlkOptions.DEFAULTS)) {
                long buffer = driver.memory().allocate(BLOCK, 2L * MIB);
                assertThat(write(driver, buffer)).isZero();
                FileIo.truncate(unsealed, driver.memory().iova(buffer) - IOVA);
                assertThat(write(driver, buffer)).isNotZero();
                FileIo.truncate(unsealed, bytes);
                assertThat(write(driver, buffer)).isZero();
                assertThat(pinnedKib(server)).isZero();
            }
        }
        assertThat(server.isAlive()).isTrue();
        awaitServes(socket, server);
    }

    /** And pins for the next client. */
    private void awaitServes(Path socket, CliProcess server) {
        CliProcess guest = guest(socket);
        awaitPinned(server);
        endsWell(guest, 0);
    }

    private static int write(VirtioBlkDriver driver, long buffer) {
        DiskQueue queue = driver.queue(0);
        int[] status = {-1};
        queue.write(0, buffer, BLOCK, 0);
        queue.kick();
        await(() -> queue.poll((tag, result) -> status[0] = result) > 0);
        return status[0];
    }

    private CliProcess emulated(Path socket, String... settings) {
        List<String> words = new ArrayList<>(List.of("serve", "bluefield", "ports=1", "+", "virtio-blk"));
        words.add("file=" + image);
        words.addAll(List.of(settings));
        words.addAll(List.of("--emulated-by", "0000:00:01.0", "--socket-path", socket + ""));
        CliProcess server = start(words.toArray(String[]::new));
        await(() -> server.out().contains("lspci"));
        return server;
    }

    private CliProcess guest(Path socket) {
        List<String> words = new ArrayList<>(List.of("guest", "--socket-path", socket + ""));
        words.addAll(List.of(LOAD));
        CliProcess guest = start(words.toArray(String[]::new));
        guest.awaitErr("a guest runs on ");
        return guest;
    }

    private CliProcess moved(Path from, CliProcess guest, Path to) {
        CliProcess there = start("migrate", "accept", "--listen", "tcp:127.0.0.1:0", "--socket-path", to + "");
        CliProcess move = start("migrate", from + "", there.awaitErr("waiting for a guest at "));
        assertThat(move.exitCode()).as("%s", move).isZero();
        assertThat(guest.exitCode()).as("%s", guest).isZero();
        there.awaitErr("a guest runs on ");
        return there;
    }

    /** On a busy machine the guest may have to wait for too long: the old server goes on with it. */
    private CliProcess upgrade(CliProcess from) {
        for (int i = 0; i < MachineUpgrades.ATTEMPTS; i++) {
            CliProcess to = start("upgrade", from.pid() + "");
            await(() -> !to.isAlive() || to.err().contains("took over"));
            if (to.isAlive()) {
                return to;
            }
            assertThat(MachineUpgrades.isTooSlow(to.err())).as("%s", to).isTrue();
        }
        throw new AssertionError("no upgrade of " + from);
    }

    private void endsWell(CliProcess guest, int moves) {
        processes.remove(guest);
        assertThat(guest.isAlive()).as("%s", guest).isTrue();
        guest.signal("TERM");
        assertThat(guest.exitCode()).as("%s", guest).isZero();
        assertThat(guest.out()).contains(moves + " moves", "read back and right");
        guest.close();
    }

    private CliProcess start(String... words) {
        CliProcess process = new CliProcess(directory, words);
        processes.add(process);
        return process;
    }

    private static void awaitPinned(CliProcess server) {
        await(() -> pinnedKib(server) >= 32 << 10);
    }

    private static long pinnedKib(CliProcess process) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + process.pid() + "/status"))) {
            return lines.filter(line -> line.startsWith("VmPin:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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
