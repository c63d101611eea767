package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A machine that takes over from another one, with a client connected. */
class UpgradeTest {

    private static final long LIMIT_NS = 10_000_000_000L;
    private static final PciAddress FIRST = PciAddress.parse("0000:00:01.0");
    private static final PciAddress SECOND = PciAddress.parse("0000:00:02.0");

    private final Leaks before = Leaks.snapshot();
    private final AtomicInteger gone = new AtomicInteger();

    @TempDir
    private Path directory;

    private Machine now = new Machine();

    @BeforeEach
    void start() {
        plug(now, Storage.ANEW, "memory=8M");
    }

    @AfterEach
    void stop() {
        now.close();
        before.assertNone();
    }

    @Test
    void aDiskIsFilledInOneMachineAndVerifiedInAnother() throws Exception {
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            CompletableFuture<Void> filling = CompletableFuture.runAsync(() -> exercise.fill(at -> {}));
            for (int i = 0; i < 5; i++) {
                upgrade("memory=8M");
            }
            filling.join();
            CompletableFuture<Void> verifying = CompletableFuture.runAsync(() -> exercise.verify(at -> {}));
            for (int i = 0; i < 5; i++) {
                upgrade("memory=8M");
            }
            verifying.join();
        }
        assertThat(gone).hasValue(10);
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
        assertThat(gone).hasValue(1);
    }

    @Test
    void aReceiverThatGoesOrTalksNonsenseAtAnyStepChangesNothing() throws Exception {
        try (VfioUserClient client = connect("a");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            for (int step = 0; step < 4; step++) {
                UnixSocket.Pair pair = UnixSocket.pair();
                Thread giving = give(pair);
                try (FdChannel channel = new FdChannel(pair.second())) {
                    receiveUntil(channel, step);
                }
                giving.join();
                exercise.verify(at -> {});
            }
        }
        assertThat(gone).hasValue(0);
    }

    @Test
    void aFileIsLockedByOneMachineAtATime() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        now.close();
        now = new Machine();
        plug(now, Storage.ANEW, "file=" + image);
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
        BiConsumer<Machine, Storage> dpu =
                (machine, storage) -> new MachinePlan(new MachineReader(new DeviceKinds(storage)).read("m.yaml", text))
                        .plugInto(machine, VfioUserServerOptions.DEFAULTS);
        now.close();
        now = new Machine();
        try (BlockBackend elsewhere = FileBackend.open(image, false, FileIoMode.SYNC, FileCaching.PAGE_CACHE)) {
            dpu.accept(now, Storage.ANEW);
            try (VfioUserClient client = connect("d");
                    VirtioBlkDriver driver = disk(client)) {
                DiskExercise exercise = new DiskExercise(driver);
                exercise.fill(at -> {});
                upgrade(dpu);
                exercise.verify(at -> {});
            }
            assertThat(elsewhere.isClaimed()).isTrue();
        }
        assertThat(gone).hasValue(1);
        // Its time has come.
        try (VfioUserClient client = connect("c");
                VirtioBlkDriver driver = disk(client)) {
            DiskExercise exercise = new DiskExercise(driver);
            exercise.fill(at -> {});
            exercise.verify(at -> {});
        }
    }

    /** What a process that takes over does, up to a step, and then nothing more. */
    private static void receiveUntil(FdChannel channel, int step) {
        channel.receive(1 << 20, LIMIT_NS).close();
        if (step == 0) {
            return;
        }
        byte[] word = step == 1
                ? "what?".getBytes(StandardCharsets.UTF_8)
                : UpgradeSource.READY.getBytes(StandardCharsets.UTF_8);
        channel.send(word, List.of(), LIMIT_NS);
        if (step == 1) {
            return;
        }
        int count = ByteBuffer.wrap(channel.receive(1 << 20, LIMIT_NS).bytes()).getInt();
        assertThat(count).isEqualTo(2);
        if (step == 3) {
            channel.receive(1 << 20, LIMIT_NS).close();
            channel.send("no room".getBytes(StandardCharsets.UTF_8), List.of(), LIMIT_NS);
        }
    }

    private void upgrade(String first) throws InterruptedException {
        upgrade((machine, storage) -> plug(machine, storage, first));
    }

    private void upgrade(BiConsumer<Machine, Storage> plug) throws InterruptedException {
        UnixSocket.Pair pair = UnixSocket.pair();
        Thread giving = give(pair);
        Machine next = new Machine();
        try (Takeover takeover = Takeover.over(new FdChannel(pair.second()))) {
            next.setTakingOver(true);
            plug.accept(next, takeover.storage());
            takeover.finish(next);
        } catch (RuntimeException e) {
            next.close();
            throw e;
        } finally {
            giving.join();
        }
        now.close();
        now = next;
    }

    private Thread give(UnixSocket.Pair pair) {
        UpgradeSource source =
                new UpgradeSource(now, List.of("serve"), Optional::empty, () -> {}, gone::incrementAndGet);
        return Thread.ofPlatform().start(() -> {
            try (FdChannel channel = new FdChannel(pair.first())) {
                source.hold(channel);
            }
        });
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
        return VfioUserClient.connect(directory.resolve(socket), VfioUserClientOptions.DEFAULTS);
    }

    private static VirtioBlkDriver disk(VfioUserClient client) {
        return VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withBufferBytes(DiskExercise.bufferBytes()));
    }
}
