package org.vfio4j.cli.mdevctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.BluefieldKind;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.mdev.MdevDefinitions;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** {@code vfio mdev} on a DPU's network function: its scalable functions, and what becomes of them when it goes. */
@Timeout(180)
class ScalableFunctionsTest {

    private static final String PID = Long.toString(ProcessHandle.current().pid());
    private static final String PARENT = "0000:07:00.0";
    private static final String A = "83b8f4f2-509f-382f-3c1e-e6bfe0fa2001";
    private static final String B = "83b8f4f2-509f-382f-3c1e-e6bfe0fa2002";
    private static final int BLOCK = 4096;
    private static final long PATIENCE_NS = 30_000_000_000L;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final List<AutoCloseable> running = new ArrayList<>();
    private Path definitions = Path.of("");
    private Path files = Path.of("");

    @BeforeEach
    void serve() throws IOException {
        definitions = directory.resolve("mdev.d");
        files = Files.createDirectory(directory.resolve("files"));
        start();
    }

    @AfterEach
    void release() {
        stop();
        own.close();
        before.assertNone();
    }

    private void start() {
        Machine machine = new Machine();
        running.add(machine);
        DevicePlan dpu = new BluefieldKind().plan(Setting.parse(List.of("ports=1", "sfs=4", "sf-storage=" + files)));
        machine.addAll(dpu, PciAddress.parse(PARENT), Optional.empty());
        machine.mdevs().startDefined(new MdevDefinitions(definitions));
        running.add(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    private void stop() {
        running.reversed().forEach(Closing::quietly);
        running.clear();
    }

    @Test
    void commandsShowThem() {
        assertThat(run("mdev", "types", "--parent", PARENT).out())
                .containsPattern(PARENT + " +mlx5_core-virtio_blk_small +4 +vfio-pci +virtio-blk disk, small")
                .containsPattern(PARENT + " +mlx5_core-nvme_medium +0 +vfio-pci +NVMe controller, medium");
        start(A, "nvme_small");
        assertThat(run("ls").out()).containsPattern(A + " +- +vfio-mdev +vfio\\d+ +mlx5_core-nvme_small");
        assertThat(run("show", A).out()).contains("made of " + PARENT, "BAR0", "MSI-X", "stop-copy, p2p, pre-copy");
        assertThat(run("tree").out())
                .contains("mlx5_core.mdev.1792, mlx5-mdev", PARENT + ", parent of mdevs", A + "  mlx5_core-nvme_small");
        assertThat(run("mdev", "list", "--verbose").out())
                .contains(A + " queues=1", A + " size=67108864", A + " storage=file " + files.resolve(A + ".img"));
        assertThat(run("mdev", "stop", "-u", A, "--server", "1").exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(run("mdev", "stop", "-u", A, "--server", PID).out()).isEqualTo(A + " stopped\n");
    }

    @Test
    void theyCountWhatTheyDo() {
        start(A, "virtio_blk_small");
        start(B, "nvme_small");
        use(A, driver -> {
            for (int i = 0; i < 3; i++) {
                assertThat(driver.write()).isZero();
            }
        });
        Cli all = run("stat", "--server", PID);
        assertThat(all.out())
                .as(all.err())
                .containsPattern(A + " +mlx5_core-virtio_blk_small +" + PID + " +\\d+ +3 ")
                .containsPattern(B + " +mlx5_core-nvme_small +" + PID + " +0 +0 ");
        Cli one = run("stat", A, "--queues", "-o", "json");
        assertThat(one.out()).as(one.err()).contains("\"writes\" : 3").doesNotContain(B);
        assertThat(run("top", "-n", "2", "--interval", "0.1", "--server", PID).out())
                .contains(A, B);
        run("mdev", "stop", "-u", B);
        assertThat(run("stat", B).exitCode()).isEqualTo(ExitCode.NOT_FOUND);
    }

    @Test
    void aRefusalNamesTheLimit() {
        for (int i = 0; i < 4; i++) {
            start("83b8f4f2-509f-382f-3c1e-e6bfe0fa200" + i, "virtio_blk_small");
        }
        Cli refused = run("mdev", "start", "-p", PARENT, "-t", "mlx5_core-nvme_small");
        assertThat(refused.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(refused.err()).contains("1 functions needed, of 4 0 are left", "EUSERS");
        Cli large = run("mdev", "start", "-p", PARENT, "-t", "mlx5_core-nvme_large");
        assertThat(large.err()).contains("of 4 0 are left");
    }

    @Test
    void settingsThatMakeNoSenseAreRefused() {
        assertThatThrownBy(() -> new BluefieldKind().plan(Setting.parse(List.of("sf-storage=/no/such/place"))))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("memory, null, or a directory that is there");
        assertThatThrownBy(() -> new BluefieldKind().plan(Setting.parse(List.of("sfs=16385"))))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("0 to 16384");
        assertThatThrownBy(() -> new BluefieldKind().plan(Setting.parse(List.of("sf=1"))))
                .isInstanceOf(CliException.class)
                .hasMessageContaining("sf");
    }

    @Test
    void whatWasWrittenIsThereWhenItStartsAgain() {
        start(A, "virtio_blk_small");
        use(A, driver -> {
            driver.segment().fill((byte) 7);
            assertThat(driver.write()).isZero();
        });
        run("mdev", "stop", "-u", A);
        stop();
        start();
        start(A, "virtio_blk_small");
        use(A, driver -> {
            driver.segment().fill((byte) 0);
            assertThat(driver.read()).isZero();
            assertThat(driver.segment().get(JAVA_BYTE, BLOCK - 1)).isEqualTo((byte) 7);
        });
    }

    /** One device works, the other waits for a client: both do so after a refusal, and both go with the parent in the end. */
    @Test
    void aParentThatGoesAsksWhoUsesItsDevices() throws Exception {
        start(A, "virtio_blk_small");
        start(B, "nvme_small");
        AtomicBoolean stop = new AtomicBoolean();
        AtomicLong completed = new AtomicLong();
        AtomicInteger failures = new AtomicInteger();
        Thread user = Thread.ofPlatform()
                .name("user")
                .start(() -> use(A, driver -> {
                    while (!stop.get()) {
                        failures.addAndGet(driver.write() == 0 ? 0 : 1);
                        completed.incrementAndGet();
                    }
                }));
        awaitMore(completed);
        for (String id : List.of(PARENT, "mlx5_core.mdev.1792")) {
            Cli refused = run("unbind", id, "--timeout", "0.2", "--server", PID);
            assertThat(refused.exitCode()).as(refused.err()).isEqualTo(ExitCode.BUSY);
            awaitMore(completed);
            VfioUserClient.connect(socket(B), VfioUserClientOptions.DEFAULTS).close();
        }
        assertThat(run("mdev", "list").out()).contains(A, B);
        AtomicInteger exitCode = new AtomicInteger(-1);
        Thread leaving = Thread.ofPlatform()
                .name("leaving")
                .start(() -> exitCode.set(run("unbind", PARENT, "--timeout", "30", "--server", PID)
                        .exitCode()));
        awaitMore(completed);
        stop.set(true);
        user.join();
        leaving.join();
        assertThat(exitCode.get()).isZero();
        assertThat(failures.get()).isZero();
        assertThat(socket(A)).doesNotExist();
        assertThat(socket(B)).doesNotExist();
        assertThat(run("mdev", "list").out()).doesNotContain(A).doesNotContain(B);
        assertThat(run("mdev", "types", "--parent", PARENT).out()).isEmpty();
    }

    @Test
    void whatIsDefinedComesBackWithTheParent() {
        run(
                "mdev",
                "define",
                "--definitions",
                definitions.toString(),
                "-u",
                A,
                "-p",
                PARENT,
                "-t",
                "mlx5_core-virtio_blk_small",
                "--auto");
        run("unbind", PARENT, "--server", PID);
        Cli bound = run("bind", PARENT, "--server", PID);
        assertThat(bound.exitCode()).as(bound.err()).isZero();
        assertThat(run("mdev", "list").out()).contains(A);
        run("unbind", "mlx5_core.mdev.1792", "--server", PID);
        assertThat(run("mdev", "list").out()).doesNotContain(A);
        run("bind", "mlx5_core.mdev.1792", "--server", PID);
        assertThat(run("mdev", "list").out()).contains(A);
        // What was stopped stays so while its parent does.
        run("mdev", "stop", "-u", A);
        run("bind", "mlx5_core.mdev.1792", "--server", PID);
        assertThat(run("mdev", "list").out()).doesNotContain(A);
    }

    /** What a test does with a disk: one block at its beginning. */
    private record Block(VirtioBlkQueue queue, long buffer, MemorySegment segment) {

        int write() {
            assertThat(queue.write(0, buffer, BLOCK, 0)).isTrue();
            return await();
        }

        int read() {
            assertThat(queue.read(0, buffer, BLOCK, 0)).isTrue();
            return await();
        }

        private int await() {
            queue.kick();
            int[] result = {1};
            long deadline = System.nanoTime() + PATIENCE_NS;
            while (result[0] == 1) {
                assertThat(System.nanoTime()).as("a request completes").isLessThan(deadline);
                queue.poll((tag, outcome) -> result[0] = outcome);
            }
            return result[0];
        }
    }

    private interface Work {
        void with(Block block);
    }

    private static void use(String uuid, Work work) {
        try (VfioUserClient file = VfioUserClient.connect(socket(uuid), VfioUserClientOptions.DEFAULTS);
                VirtioBlkDriver driver = VirtioBlkDriver.open(file, VirtioBlkOptions.DEFAULTS.withInterrupts(false))) {
            long buffer = driver.memory().allocate(BLOCK, BLOCK);
            work.with(new Block(driver.queue(0), buffer, driver.memory().segment(buffer, BLOCK)));
        }
    }

    private static void awaitMore(AtomicLong completed) {
        long target = completed.get() + 50;
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (completed.get() < target) {
            assertThat(System.nanoTime()).as("requests complete").isLessThan(deadline);
            Thread.yield();
        }
    }

    private static Path socket(String uuid) {
        return ServerDirectory.parent().resolve("mdev").resolve(uuid + ".sock");
    }

    private void start(String uuid, String type) {
        assertThat(run("mdev", "start", "-u", uuid, "-p", PARENT, "-t", "mlx5_core-" + type, "--server", PID)
                        .err())
                .isEmpty();
    }

    private static Cli run(String... words) {
        return Cli.run(words);
    }
}
