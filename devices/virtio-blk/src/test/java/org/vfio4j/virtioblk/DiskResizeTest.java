package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_PCI_COMMON_CFGGENERATION;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
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
            assertThat(fixture.intx).isTrue();
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
