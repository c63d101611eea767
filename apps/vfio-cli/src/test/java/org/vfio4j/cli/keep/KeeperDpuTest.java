package org.vfio4j.cli.keep;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.load.VerifiedLoad;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;

/** The functions that a DPU emulates, of servers that are killed. */
class KeeperDpuTest {

    private static final int KILLS = 4;
    private static final int BLOCK = 4096;
    private static final String MACHINE = """
            apiVersion: vfio4j/v1
            kind: Machine
            devices:
              - device: bluefield
                address: 0000:07:00.0
              - device: virtio-blk
                address: 0000:08:00.0
                emulated-by: 0000:07:00.0
                settings: {memory: 8M}
                socket-path: memory.sock
                virtual-functions:
                  - {settings: {memory: 2M}, socket-path: vf0.sock}
                  - {settings: {memory: 2M}, socket-path: vf1.sock}
                numvfs: 1
              - device: virtio-blk
                address: 0000:09:00.0
                emulated-by: 0000:07:00.1
                settings: {file: disk.img, queue-size: 16}
                socket-path: file.sock
              - device: nvme
                address: 0000:0a:00.0
                emulated-by: 0000:07:00.1
                settings: {memory: 8M, doorbells: mapped}
                socket-path: nvme.sock
              - device: virtio-blk
                address: 0000:0b:00.0
                emulated-by: 0000:07:00.1
                settings: {file: moving.img, incoming: true}
                socket-path: moving.sock
            """;

    private final Leaks before = Leaks.snapshot();

    @TempDir
    private Path directory;

    private final Map<String, VerifiedLoad> loads = new HashMap<>();
    private KeeperRun keeper;

    @BeforeEach
    void start() throws Exception {
        Files.write(directory.resolve("disk.img"), new byte[8 << 20]);
        Files.write(directory.resolve("moving.img"), new byte[8 << 20]);
        String machine = MACHINE.replaceAll("([a-z0-9]+[.](sock|img))", directory + "/$1");
        Path config = Files.writeString(directory.resolve("machine.yaml"), machine);
        keeper = KeeperRun.serving(directory, List.of("--config", config.toString()));
    }

    @AfterEach
    void close() {
        keeper.close();
        before.assertNone();
    }

    @Test
    void everyRequestToADiskOfADpuCompletesOnceThoughTheServerIsKilled() {
        for (String socket : List.of("memory.sock", "file.sock")) {
            underLoad(socket, KILLS);
        }
        CliProcess tree = keeper.command("snap", "list");
        assertThat(tree.out())
                .contains("mlx5_core.vfio_pci.2048  mlx5-vfio-pci", "mlx5_core.vfio_pci.2304  mlx5-vfio-pci");
    }

    @Test
    void aFunctionThatWasCreatedWhileItServedComesBackUntilItIsDeleted() {
        Path socket = directory.resolve("more.sock");
        String image = directory.resolve("more.img").toString();
        CliProcess none = create("0000:08:00.4", "file=" + image, socket);
        assertThat(none.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(socket).doesNotExist();
        for (String storage : List.of("memory=4M", "file=" + directory.resolve("disk2.img"))) {
            write(directory.resolve("disk2.img"), 4 << 20);
            CliProcess created = create("0000:08:00.4", storage, socket);
            assertThat(created.exitCode()).as(created.toString()).isZero();
            underLoad("more.sock", 2);
            loads.remove("more.sock");
            CliProcess deleted = keeper.command("snap", "delete", "0000:08:00.4");
            assertThat(deleted.exitCode()).as(deleted.toString()).isZero();
            assertThat(socket).doesNotExist();
            keeper.killAndAwait();
            assertThat(socket).doesNotExist();
            assertThat(keeper.command("snap", "list").out()).doesNotContain("0000:08:00.4");
        }
    }

    @Test
    void itsVirtualFunctionsComeBackAsManyAsWereOnUntilItIsDeleted() {
        Path image = directory.resolve("more.img");
        write(image, 2 << 20);
        Path socket = directory.resolve("more.sock");
        String first = "memory=2M,socket-path=" + directory.resolve("more0.sock");
        String second = "file=" + image + ",socket-path=" + directory.resolve("more1.sock");
        CliProcess created =
                create("0000:08:00.4", "memory=4M", socket, "--virtual-function", first, "--virtual-function", second);
        assertThat(created.exitCode()).as(created.toString()).isZero();
        keeper.killAndAwait();
        assertThat(directory.resolve("more0.sock")).doesNotExist();
        set("0000:08:00.4", 2);
        for (String each : List.of("more0.sock", "more1.sock", "more.sock")) {
            underLoad(each, 1);
        }
        set("0000:08:00.4", 0);
        set("0000:08:00.4", 1);
        underLoad("more0.sock", 1);
        assertThat(directory.resolve("more1.sock")).doesNotExist();
        CliProcess deleted = keeper.command("snap", "delete", "0000:08:00.4");
        assertThat(deleted.exitCode()).as(deleted.toString()).isZero();
        assertThat(directory.resolve("more0.sock")).doesNotExist();
        // Others are where they were, and have nothing of theirs.
        loads.clear();
        for (String place : List.of("0000:08:00.4", "0000:08:00.5")) {
            CliProcess other = create(place, "memory=1M", directory.resolve(place));
            assertThat(other.exitCode()).as(other.toString()).isZero();
            underLoad(place, 1);
            assertThat(keeper.command("show", place).out()).doesNotContain("virtual function");
        }
    }

    @Test
    void oneThatCannotComeBackIsLeftOutAndTheOthersGoOn() throws Exception {
        write(directory.resolve("disk2.img"), 4 << 20);
        Path socket = directory.resolve("more.sock");
        CliProcess created = create("0000:08:00.4", "file=" + directory.resolve("disk2.img"), socket);
        assertThat(created.exitCode()).as(created.toString()).isZero();
        Files.delete(directory.resolve("disk2.img"));
        VfioUserClient lost = VfioUserClient.connect(socket, KeeperRun.PATIENT);
        underLoad("memory.sock", 1);
        assertThat(keeper.log()).contains("0000:08:00.4 does not come back");
        assertThat(socket).doesNotExist();
        assertThatThrownBy(lost::info).isInstanceOf(ErrnoException.class);
        lost.close();
    }

    @Test
    void whatADpuHasComesBackAlsoWhereAServerTookOverAsPlannedBefore() {
        write(directory.resolve("disk2.img"), 4 << 20);
        Path socket = directory.resolve("more.sock");
        CliProcess created = create("0000:08:00.4", "file=" + directory.resolve("disk2.img"), socket);
        assertThat(created.exitCode()).as(created.toString()).isZero();
        set(0);
        set(2);
        for (String disk : List.of("memory.sock", "more.sock", "vf1.sock")) {
            underLoad(disk, 1, keeper::upgrade);
            underLoad(disk, 2, keeper::kill);
        }
        keeper.upgrade();
        CliProcess deleted = keeper.command("snap", "delete", "0000:08:00.4");
        assertThat(deleted.exitCode()).as(deleted.toString()).isZero();
        keeper.killAndAwait();
        assertThat(socket).doesNotExist();
    }

    @Test
    void whatItBeganWithIsNotDeleted() {
        CliProcess refused = keeper.command("snap", "delete", "0000:08:00.0");
        assertThat(refused.exitCode()).isEqualTo(ExitCode.UNSUPPORTED);
        assertThat(refused.err()).contains("a supervised server keeps what it began with");
        underLoad("memory.sock", 1);
    }

    @Test
    void aDiskThatMayBeAnotherServersIsLeftToItUntilItIsUsed() {
        keeper.killAndAwait();
        Path image = directory.resolve("moving.img");
        try (BlockBackend other = FileBackend.open(image, false, FileIoMode.SYNC, FileCaching.PAGE_CACHE)) {
            keeper.killAndAwait();
            underLoad("memory.sock", 1);
            assertThat(other.isClaimed()).isTrue();
        }
        underLoad("moving.sock", 1);
    }

    @Test
    void virtualFunctionsAreOnAsTheyWereSetLast() {
        underLoad("vf0.sock", 1);
        set(0);
        keeper.killAndAwait();
        assertThat(directory.resolve("vf0.sock")).doesNotExist();
        set(2);
        underLoad("vf0.sock", 1);
        underLoad("vf1.sock", 1);
        assertThat(keeper.command("sriov", "0000:08:00.0", "0").exitCode()).isZero();
        set(1);
        underLoad("vf0.sock", 1);
        assertThat(directory.resolve("vf1.sock")).doesNotExist();
    }

    @Test
    void anNvmeControllerFailsAndItsMappedDoorbellsAreTheSameMemory() {
        NvmeOptions options =
                NvmeOptions.DEFAULTS.withDoorbells(NvmeOptions.Doorbells.MAPPED).withTimeoutNs(KeeperRun.PATIENCE_NS);
        try (VfioUserClient client = VfioUserClient.connect(directory.resolve("nvme.sock"), KeeperRun.PATIENT)) {
            for (int i = 0; i < KILLS; i++) {
                try (NvmeDriver driver = NvmeDriver.open(client, options)) {
                    assertThat(driver.doorbells()).isEqualTo(NvmeOptions.Doorbells.MAPPED);
                    long buffer = driver.memory().allocate(BLOCK, BLOCK);
                    var bytes = driver.memory().segment(buffer, BLOCK);
                    if (i > 0) {
                        driver.queue(0).read(0, buffer, BLOCK, 1);
                        complete(driver);
                        assertThat(bytes.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0))
                                .isEqualTo((byte) i);
                    }
                    bytes.fill((byte) (i + 1));
                    driver.queue(0).write(0, buffer, BLOCK, 2);
                    complete(driver);
                    keeper.killAndAwait();
                    assertThatThrownBy(driver::check).hasMessageContaining("EIO");
                }
            }
        }
    }

    private static void complete(NvmeDriver driver) {
        driver.queue(0).kick();
        long deadline = System.nanoTime() + KeeperRun.PATIENCE_NS;
        while (driver.queue(0).poll((tag, status) -> assertThat(status).isZero()) == 0) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            driver.queue(0).await(1_000_000);
        }
    }

    /** A disk is used while its server is killed. */
    private void underLoad(String socket, int kills) {
        underLoad(socket, kills, keeper::kill);
    }

    /** The same, where it ends in another way. */
    private void underLoad(String socket, int times, Runnable end) {
        try (VfioUserClient client = VfioUserClient.connect(directory.resolve(socket), KeeperRun.PATIENT);
                VirtioBlkDriver driver = VirtioBlkDriver.open(
                        client, VirtioBlkOptions.DEFAULTS.withBufferBytes(VerifiedLoad.bufferBytes()))) {
            VerifiedLoad before = loads.get(socket);
            VerifiedLoad load = new VerifiedLoad(driver, 7);
            if (before != null) {
                load.goOnFrom(before);
            }
            loads.put(socket, load);
            keeper.replace(load, times, end);
            assertThat(load.completed.get()).isGreaterThan(500L * times);
        }
    }

    private void set(int count) {
        set("0000:08:00.0", count);
    }

    private void set(String physical, int count) {
        CliProcess set = keeper.command("sriov", physical, Integer.toString(count));
        assertThat(set.exitCode()).as(set.toString()).isZero();
    }

    private CliProcess create(String address, String storage, Path socket, String... more) {
        List<String> words = new ArrayList<>(List.of("snap", "create", "0000:07:00.0", "virtio-blk", storage));
        words.addAll(List.of("--address", address, "--socket-path", socket.toString()));
        words.addAll(List.of(more));
        return keeper.command(words.toArray(String[]::new));
    }

    private static void write(Path path, int bytes) {
        try {
            Files.write(path, new byte[bytes]);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
