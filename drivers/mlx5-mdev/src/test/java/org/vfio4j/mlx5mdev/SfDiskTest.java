package org.vfio4j.mlx5mdev;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBUSY;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mlx5.SfCaps;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.testkit.VfioPciConformance.Report;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.nvme.NvmeQueue;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A scalable function is a disk like any other: its drivers use it over a socket, and it keeps the contract of VFIO PCI devices. */
@Timeout(120)
class SfDiskTest {

    private static final UUID UUID_A = new UUID(7, 7);
    private static final int BLOCK = 4096;
    private static final long GIB = 1 << 30;
    private static final long PATIENCE_NS = 20_000_000_000L;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"virtio_blk_small", "nvme_medium"})
    void keepsTheContract(String type) {
        try (SfMachine machine = machine()) {
            Path socket = machine.serve(machine.create(type, UUID_A), directory.resolve("sf.sock"));
            Report report = VfioPciConformance.check(() -> connect(socket));
            assertThat(report.broken()).isEmpty();
            assertThat(report.held())
                    .anyMatch(rule -> rule.startsWith("logging."))
                    .contains("migration.everyPairOfStatesAsTheTableSays", "migration.refusesACutStream")
                    .doesNotContain("migration.aDeviceWithoutItSaysENOTTY");
        }
    }

    @Test
    void aVirtioDiskReadsBackWhatWasWritten() {
        try (SfMachine machine = machine()) {
            Path socket = machine.serve(machine.create("virtio_blk_medium", UUID_A), directory.resolve("sf.sock"));
            try (VfioDeviceFile file = connect(socket);
                    VirtioBlkDriver driver = VirtioBlkDriver.open(file, VirtioBlkOptions.DEFAULTS.withQueues(4))) {
                assertThat(driver.capacityBytes()).isEqualTo(GIB);
                for (int i = 0; i < 4; i++) {
                    VirtioBlkQueue queue = driver.queue(i);
                    long at = GIB - (i + 1L) * BLOCK;
                    long buffer = driver.memory().allocate(BLOCK, BLOCK);
                    MemorySegment data = driver.memory().segment(buffer, BLOCK);
                    data.fill((byte) (i + 1));
                    assertThat(queue.write(at, buffer, BLOCK, 0)).isTrue();
                    assertThat(await(queue::kick, done -> queue.poll((tag, result) -> done.accept(result))))
                            .isZero();
                    data.fill((byte) 0);
                    assertThat(queue.read(at, buffer, BLOCK, 0)).isTrue();
                    assertThat(await(queue::kick, done -> queue.poll((tag, result) -> done.accept(result))))
                            .isZero();
                    assertThat(data.toArray(JAVA_BYTE)).containsOnly(i + 1);
                }
            }
        }
    }

    @Test
    void anNvmeControllerReadsBackWhatWasWritten() {
        try (SfMachine machine = machine()) {
            Path socket = machine.serve(machine.create("nvme_medium", UUID_A), directory.resolve("sf.sock"));
            try (VfioDeviceFile file = connect(socket);
                    NvmeDriver driver = NvmeDriver.open(file, NvmeOptions.DEFAULTS.withQueues(4))) {
                assertThat(driver.namespace().capacityBytes()).isEqualTo(GIB);
                for (int i = 0; i < 4; i++) {
                    NvmeQueue queue = driver.queue(i);
                    long at = GIB - (i + 1L) * BLOCK;
                    long buffer = driver.memory().allocate(BLOCK, BLOCK);
                    MemorySegment data = driver.memory().segment(buffer, BLOCK);
                    data.fill((byte) (i + 1));
                    assertThat(queue.write(at, buffer, BLOCK, 0)).isTrue();
                    assertThat(await(queue::kick, done -> queue.poll((tag, result) -> done.accept(result))))
                            .isZero();
                    data.fill((byte) 0);
                    assertThat(queue.read(at, buffer, BLOCK, 0)).isTrue();
                    assertThat(await(queue::kick, done -> queue.poll((tag, result) -> done.accept(result))))
                            .isZero();
                    assertThat(data.toArray(JAVA_BYTE)).containsOnly(i + 1);
                }
            }
        }
    }

    /** Its user is asked, and goes on when he does not let go in time: so does the parent. */
    @Test
    void aParentThatIsToLeaveWhileItsDeviceWorksHarmsNoRequest() throws Exception {
        try (SfMachine machine = machine()) {
            MdevDevice device = machine.create("virtio_blk_small", UUID_A);
            IoAddressSpace space = new IoAddressSpace(16);
            LocalDeviceFile file = machine.open(device);
            file.attach(space);
            AtomicLong completed = new AtomicLong();
            AtomicBoolean stop = new AtomicBoolean();
            Thread user = Thread.ofPlatform().name("user").start(() -> {
                try (VirtioBlkDriver driver =
                        VirtioBlkDriver.open(file, VirtioBlkOptions.DEFAULTS.withInterrupts(false))) {
                    VirtioBlkQueue queue = driver.queue(0);
                    long buffer = driver.memory().allocate(BLOCK, BLOCK);
                    while (!stop.get()) {
                        queue.write(0, buffer, BLOCK, 0);
                        int result = await(queue::kick, done -> queue.poll((tag, status) -> done.accept(status)));
                        if (result != 0) {
                            return;
                        }
                        completed.incrementAndGet();
                    }
                }
                file.close();
                space.close();
            });
            awaitMore(completed, 100);
            for (int i = 0; i < 5; i++) {
                assertThatThrownBy(() -> machine.bus.unbind(machine.networkFunction(), Duration.ofMillis(20)))
                        .isInstanceOfSatisfying(
                                ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EBUSY));
                awaitMore(completed, 100);
            }
            Thread leaving = Thread.ofPlatform()
                    .name("leaving")
                    .start(() -> machine.bus.unbind(machine.networkFunction(), Duration.ofSeconds(30)));
            awaitMore(completed, 100);
            stop.set(true);
            leaving.join();
            user.join();
            assertThat(machine.mdevs.devices()).isEmpty();
            assertThat(machine.mdevs.findParent(SfMachine.PARENT)).isEmpty();
        }
    }

    private static void awaitMore(AtomicLong completed, long count) {
        long target = completed.get() + count;
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (completed.get() < target) {
            assertThat(System.nanoTime()).as("requests complete").isLessThan(deadline);
            Thread.yield();
        }
    }

    /** Kicks, and waits for one request. Returns its result, 0 or -errno. */
    private static int await(Runnable kick, Consumer<IntConsumer> poll) {
        kick.run();
        int[] result = {1};
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (result[0] == 1) {
            assertThat(System.nanoTime()).as("a request completes").isLessThan(deadline);
            poll.accept(outcome -> result[0] = outcome);
        }
        return result[0];
    }

    private static SfMachine machine() {
        return new SfMachine(new SfCaps(4, 16, 4 * GIB));
    }

    private static VfioDeviceFile connect(Path socket) {
        return VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
    }
}
