package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_COMMON_CFGGENERATION;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.virtio.testing.VirtioDriver;

/** A disk that grows while it is used: capacity, generation and configuration interrupt (Virtual I/O Device 1.2, 2.5.1, 5.2.4). */
class DiskResizeTest {

    private static final int SIZE = 1 << 20;

    @TempDir
    private Path directory;

    @Test
    void growsUnderItsDriver() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        try (DiskFixture fixture =
                new DiskFixture(FileBackend.open(file, false, FileIoMode.AUTO), builder -> builder)) {
            fixture.start(ALL_FEATURES);
            long lastSector = 2L * SIZE / 512 - 8;
            assertThat(fixture.write(lastSector, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_IOERR);
            long generation = generation(fixture);
            fixture.driver.read(VirtioDriver.ISR, 1);

            fixture.disk.resize(2 * SIZE);

            assertThat(capacity(fixture)).isEqualTo(2 * SIZE / 512);
            assertThat(generation(fixture)).isNotEqualTo(generation);
            VirtioDriver.await("an interrupt", () -> fixture.intx);
            assertThat(fixture.driver.read(VirtioDriver.ISR, 1) & 2)
                    .as("configuration")
                    .isEqualTo(2);
            assertThat(fixture.write(lastSector, fixture.buffer, 4096)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(file).hasSize(2 * SIZE);

            assertThatThrownBy(() -> fixture.disk.resize(SIZE)).hasMessageContaining("EINVAL");
            assertThat(capacity(fixture)).isEqualTo(2 * SIZE / 512);
        }
    }

    @Test
    void aDriverThatIsNotReadyIsNotInterrupted() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        try (DiskFixture fixture =
                new DiskFixture(FileBackend.open(file, false, FileIoMode.AUTO), builder -> builder)) {
            fixture.driver.negotiate(ALL_FEATURES);
            fixture.disk.resize(SIZE + 512);
            assertThat(fixture.intx).isFalse();
            assertThat(capacity(fixture)).isEqualTo(SIZE / 512 + 1);
        }
    }

    /** Else the descriptor that it is sent to may be closed meanwhile, and its number be another file's. */
    @Test
    void theInterruptIsSentInAWindow() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        try (DiskFixture fixture = new DiskFixture(
                FileBackend.open(file, false, FileIoMode.AUTO), builder -> builder.poll(QueuePolling.NEVER))) {
            fixture.start(ALL_FEATURES);
            assertThat(fixture.read(0, fixture.buffer, 512)).isEqualTo(VIRTIO_BLK_S_OK);
            VirtioDriver.await(
                    "a thread that sleeps", () -> fixture.memory.space().isQuiet());
            fixture.driver.read(VirtioDriver.ISR, 1);
            CompletableFuture<Boolean> inWindow = new CompletableFuture<>();
            fixture.disk.function().connectIrqs(new IrqSink() {
                @Override
                public void msi(int vector) {}

                @Override
                public void intx(boolean asserted) {
                    if (asserted) {
                        inWindow.complete(!fixture.memory.space().isQuiet());
                    }
                }
            });
            fixture.disk.resize(2 * SIZE);
            assertThat(inWindow).succeedsWithin(Duration.ofSeconds(10)).isEqualTo(true);
        }
    }

    /** A driver that has reset the device has read the new configuration, or is about to. */
    @Test
    void theNextDriverIsNotInterruptedForAChangeBeforeItsTime() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        try (DiskFixture fixture =
                new DiskFixture(FileBackend.open(file, false, FileIoMode.AUTO), builder -> builder)) {
            fixture.start(ALL_FEATURES);
            fixture.driver.setMaster(false);
            fixture.disk.resize(2 * SIZE);
            fixture.start(ALL_FEATURES);
            assertThat(fixture.read(0, fixture.buffer, 512)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(fixture.driver.read(VirtioDriver.ISR, 1) & 2).isZero();
        }
    }

    /** One that stands still, and is moved before it has told. */
    @Test
    void aDriverThatWasNotToldIsToldByTheOther() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        Path same = Files.write(directory.resolve("same.img"), new byte[2 * SIZE]);
        try (DiskFixture from = new DiskFixture(FileBackend.open(file, false, FileIoMode.AUTO), builder -> builder);
                DiskFixture to = new DiskFixture(FileBackend.open(same, false, FileIoMode.AUTO), builder -> builder)) {
            from.start(ALL_FEATURES);
            from.driver.read(VirtioDriver.ISR, 1);
            FunctionState there =
                    from.disk.function().platform(FunctionState.class).orElseThrow();
            FunctionState here =
                    to.disk.function().platform(FunctionState.class).orElseThrow();
            there.suspend();
            from.disk.resize(2 * SIZE);
            here.suspend();
            here.load(there.save());
            here.resume();
            assertThat(to.intx).isTrue();
            assertThat(to.driver.read(VirtioDriver.ISR, 1) & 2).isEqualTo(2);
            assertThat(capacity(to)).isEqualTo(2 * SIZE / 512);
        }
    }

    @Test
    void storageThatCannotGrowSaysSo() {
        try (DiskFixture fixture = new DiskFixture(new MemoryBackend(SIZE), builder -> builder)) {
            assertThatThrownBy(() -> fixture.disk.resize(2 * SIZE))
                    .hasMessage("resize of memory: EOPNOTSUPP (Operation not supported)");
        }
    }

    private static long capacity(DiskFixture fixture) {
        long low = fixture.driver.read(VirtioDriver.DEVICE + CONFIG_CAPACITY, 4);
        return low | fixture.driver.read(VirtioDriver.DEVICE + CONFIG_CAPACITY + 4, 4) << 32;
    }

    private static long generation(DiskFixture fixture) {
        return fixture.driver.read(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
    }
}
