package org.vfio4j.cli.upgrade;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.config.MachineFile;
import org.vfio4j.cli.config.MachineReader;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.keep.KeeperRun;
import org.vfio4j.cli.load.DiskExercise;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.serve.DeviceGroup;
import org.vfio4j.cli.serve.DevicePlans;
import org.vfio4j.cli.serve.MachinePlan;
import org.vfio4j.cli.socket.InheritedSockets;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A machine that takes over from another one, with a client connected. */
class UpgradeTest {

    private static final PciAddress FIRST = PciAddress.parse("0000:00:01.0");
    private static final PciAddress SECOND = PciAddress.parse("0000:00:02.0");
    private static final PciAddress EMULATED = PciAddress.parse("0000:08:00.0");

    // All wait, which a common pool of a small machine cannot bear.
    private static final Executor OWN_THREAD =
            task -> Thread.ofPlatform().daemon().start(task);

    private final Leaks before = Leaks.snapshot();

    @TempDir
    private Path directory;

    private Optional<MachineUpgrades> machines = Optional.empty();

    @BeforeEach
    void start() {
        restart((machine, storage) -> plug(machine, storage, "memory=8M"));
    }

    @AfterEach
    void stop() {
        machines().close();
        before.assertNone();
    }

    @Test
    void aDiskIsFilledInOneMachineAndVerifiedInAnother() throws Exception {
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            CompletableFuture<Void> filling = CompletableFuture.runAsync(() -> exercise.fill(at -> {}), OWN_THREAD);
            for (int i = 0; i < 5; i++) {
                upgrade("memory=8M");
            }
            filling.join();
            CompletableFuture<Void> verifying = CompletableFuture.runAsync(() -> exercise.verify(at -> {}), OWN_THREAD);
            for (int i = 0; i < 5; i++) {
                upgrade("memory=8M");
            }
            verifying.join();
        }
        assertThat(machines().count()).isEqualTo(10);
        // Nobody was connected to the other one; it lets clients in.
        try (VfioUserClient client = connect("b");
                VirtioBlkDriver driver = disk(client)) {
            assertThat(driver.capacityBytes()).isEqualTo(1 << 20);
        }
        assertThat(Files.exists(directory.resolve("a"))).isTrue();
    }

    @Test
    void aMachineWithAnotherDiskIsRefusedAndTheOldOneGoesOn() throws Exception {
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            assertThatThrownBy(() -> upgrade("memory=4M")).hasMessageContaining("memory");
            assertThatThrownBy(() -> upgrade("memory=8M queues=3")).hasMessageContaining("queues");
            exercise.verify(at -> {});
            upgrade("memory=8M");
            exercise.verify(at -> {});
        }
        assertThat(machines().count()).isEqualTo(1);
    }

    @Test
    void aReceiverThatGoesOrTalksNonsenseAtAnyStepChangesNothing() throws Exception {
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            for (int step = 0; step < MachineUpgrades.STEPS; step++) {
                machines().giveUp(step);
                exercise.verify(at -> {});
            }
        }
        assertThat(machines().count()).isEqualTo(0);
    }

    /** Who is too late to say that it takes all finds that it cannot say so any more. */
    @Test
    void aReceiverThatHasBeenToldToGoAndIsTooLateKnowsIt() throws Exception {
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            machines().giveUp(MachineUpgrades.STEPS - 1, channel -> {
                // Nothing is answered before the other machine goes on.
                exercise.verify(at -> {});
                assertThatThrownBy(() -> MachineUpgrades.say(channel, UpgradeSource.TAKEN))
                        .isInstanceOfSatisfying(
                                ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EPIPE));
            });
            exercise.verify(at -> {});
            upgrade("memory=8M");
            exercise.verify(at -> {});
        }
        assertThat(machines().count()).isEqualTo(1);
    }

    @Test
    void whoTriesAgainRightAfterAFailureIsNotRefused() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        machines().warmUp(wanted -> {
            begun.countDown();
            while (wanted.getAsBoolean()) {
                LockSupport.parkNanos(1_000_000);
            }
        });
        CompletableFuture<Void> fails = CompletableFuture.runAsync(
                () -> {
                    try {
                        machines().giveUp(0, channel -> LockSupport.parkNanos(300_000_000));
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                },
                OWN_THREAD);
        begun.await();
        machines().warmUp(wanted -> {});
        upgrade("memory=8M");
        fails.join();
        assertThat(machines().count()).isEqualTo(1);
    }

    /** The number of such a socket is another thing in another process. */
    @Test
    void anInheritedSocketGoesOverWhetherItIsServedOrNot() throws Exception {
        Fd first = UnixSocket.listen(directory.resolve("c"), 4);
        Fd second = UnixSocket.listen(directory.resolve("d"), 4);
        restart(inherited((function, number) -> (number == 3 ? first : second).dup()));
        first.close();
        second.close();
        machines().now().function(SECOND).unbind(Duration.ZERO);
        try (VfioUserClient client = connect("c");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            for (int i = 0; i < 3; i++) {
                machines().giveUp(i);
                machines().upgradeFrom(takeover -> inherited(takeover.sockets()));
                exercise.verify(at -> {});
            }
        }
        assertThat(machines().count()).isEqualTo(3);
        connect("c").close();
        machines().now().function(SECOND).bind(Optional.empty());
        try (VfioUserClient client = connect("d");
                VirtioBlkDriver driver = disk(client)) {
            assertThat(driver.capacityBytes()).isEqualTo(1 << 20);
        }
    }

    @Test
    void thatOfAFunctionThatHasEndedIsNotMissed() throws Exception {
        try (Fd given = UnixSocket.listen(directory.resolve("c"), 4)) {
            restart(emulated((function, number) -> given.dup()));
            Machine old = machines().now();
            old.delete(old.function(EMULATED), Duration.ZERO);
            for (int i = 0; i < 2; i++) {
                machines().upgradeFrom(takeover -> emulated(takeover.sockets()));
            }
        }
        assertThat(machines().count()).isEqualTo(2);
        assertThat(machines().now().functions())
                .extracting(MachineFunction::name)
                .contains(SECOND.toString())
                .doesNotContain(EMULATED.toString());
    }

    private MachineUpgrades.Plug emulated(InheritedSockets sockets) {
        String dpu = "0000:07:00.0";
        List<DeviceGroup> groups = List.of(
                DeviceGroup.parse(List.of("bluefield", "ports=1", "--address", dpu)),
                DeviceGroup.parse(List.of(
                        "virtio-blk",
                        "memory=1M",
                        "--address",
                        EMULATED.toString(),
                        "--emulated-by",
                        dpu,
                        "--fd",
                        "3")),
                DeviceGroup.parse(List.of(
                        "virtio-blk",
                        "memory=1M",
                        "--address",
                        SECOND.toString(),
                        "--socket-path",
                        directory.resolve("b").toString())));
        return (machine, storage) -> DevicePlans.of(groups, new DeviceKinds(storage), sockets)
                .plugInto(machine, VfioUserServerOptions.DEFAULTS);
    }

    private static MachineUpgrades.Plug inherited(InheritedSockets sockets) {
        List<DeviceGroup> groups = List.of(
                DeviceGroup.parse(List.of("virtio-blk", "memory=8M", "--address", FIRST.toString(), "--fd", "3")),
                DeviceGroup.parse(List.of("virtio-blk", "memory=1M", "--address", SECOND.toString(), "--fd", "4")));
        return (machine, storage) -> DevicePlans.of(groups, new DeviceKinds(storage), sockets)
                .plugInto(machine, VfioUserServerOptions.DEFAULTS);
    }

    @Test
    void aFileIsLockedByOneMachineAtATime() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        restart((machine, storage) -> plug(machine, storage, "file=" + image));
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            upgrade("file=" + image);
            exercise.verify(at -> {});
            Machine third = new Machine();
            assertThatThrownBy(() -> plug(third, Storage.ANEW, "file=" + image)).hasMessageContaining("lock");
            third.close();
        }
    }

    /** One disk of a DPU in memory, and one in a file that another server has still: it goes on having it. */
    @Test
    void theDisksOfADpuGoOver() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        String text = MachineFile.read("shipped:bluefield")
                .text()
                .replaceFirst("( *)memory: 64M", "$1file: " + image + "\n$1incoming: true")
                .replace("snap-0.sock", directory.resolve("c").toString())
                .replace("snap-1.sock", directory.resolve("d").toString());
        MachineUpgrades.Plug dpu =
                (machine, storage) -> new MachinePlan(new MachineReader(new DeviceKinds(storage)).read("m.yaml", text))
                        .plugInto(machine, VfioUserServerOptions.DEFAULTS);
        machines().close();
        try (BlockBackend elsewhere = FileBackend.open(image, false, FileIoMode.SYNC, FileCaching.PAGE_CACHE)) {
            restart(dpu);
            try (VfioUserClient client = connect("d");
                    VirtioBlkDriver driver = disk(client)) {
                DiskExercise exercise = new DiskExercise(driver);
                exercise.fill(at -> {});
                machines().upgrade(dpu);
                exercise.verify(at -> {});
            }
            assertThat(elsewhere.isClaimed()).isTrue();
        }
        assertThat(machines().count()).isEqualTo(1);
        // Its time has come.
        try (VfioUserClient client = connect("c");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            exercise.verify(at -> {});
        }
    }

    private void upgrade(String first) throws InterruptedException {
        machines().upgrade((machine, storage) -> plug(machine, storage, first));
    }

    private void restart(MachineUpgrades.Plug plug) {
        machines.ifPresent(MachineUpgrades::close);
        machines = Optional.of(new MachineUpgrades(plug));
    }

    private MachineUpgrades machines() {
        return machines.orElseThrow();
    }

    private void plug(Machine machine, Storage storage, String first) {
        try {
            plug(machine, storage, FIRST, first, "a");
            plug(machine, storage, SECOND, "memory=1M", "b");
        } catch (ErrnoException e) {
            throw new CliException(e, "");
        }
    }

    private void plug(Machine machine, Storage storage, PciAddress address, String settings, String socket) {
        List<String> words = List.of(("virtio-blk " + settings).split(" "));
        machine.add(new DeviceKinds(storage).plan(words), Optional.of(address), Optional.empty())
                .serve(new Endpoint.AtPath(directory.resolve(socket)), VfioUserServerOptions.DEFAULTS);
    }

    private VfioUserClient connect(String socket) {
        return VfioUserClient.connect(directory.resolve(socket), KeeperRun.PATIENT);
    }

    private static VirtioBlkDriver disk(VfioUserClient client) {
        return VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withBufferBytes(DiskExercise.bufferBytes()));
    }
}
