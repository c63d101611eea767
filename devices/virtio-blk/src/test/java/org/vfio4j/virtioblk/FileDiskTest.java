package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.virtio.testing.DriverRing.Piece;

/** A disk on a file, whose requests complete in the background while the queue thread sleeps. */
class FileDiskTest {

    private static final int BLOCK = 4096;
    private static final int BLOCKS = 256;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(longs = {0, 50_000, QueuePolling.FOR_EVER})
    void readsWhatItWrote(long spinNs) throws IOException {
        Path file = directory.resolve("disk.img");
        Files.write(file, new byte[BLOCK * BLOCKS]);
        QueuePolling polling = new QueuePolling(spinNs, 5_000_000_000L);
        try (DiskFixture fixture = new DiskFixture(open(file), builder -> builder.poll(polling))) {
            fixture.start(ALL_FEATURES);
            for (int i = 0; i < BLOCKS; i++) {
                fixture.memory.fill(fixture.buffer, BLOCK, i + 1);
                assertThat(fixture.write(8L * i, fixture.buffer, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
            }
            assertThat(fixture.request(VIRTIO_BLK_T_FLUSH, 0)).isEqualTo(VIRTIO_BLK_S_OK);
            for (int i = 0; i < BLOCKS; i++) {
                assertThat(fixture.read(8L * i, fixture.buffer, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
                assertThat(fixture.memory.get(fixture.buffer, BLOCK)).containsOnly((byte) (i + 1));
            }
        }
        byte[] bytes = Files.readAllBytes(file);
        for (int i = 0; i < BLOCKS; i++) {
            assertThat(bytes[i * BLOCK]).isEqualTo((byte) (i + 1));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 50_000})
    void keepsManyRequestsInFlight(long spinNs) throws IOException {
        Path file = directory.resolve("disk.img");
        Files.write(file, new byte[BLOCK * BLOCKS]);
        try (DiskFixture fixture =
                new DiskFixture(open(file), builder -> builder.poll(new QueuePolling(spinNs, 5_000_000_000L)))) {
            fixture.start(ALL_FEATURES);
            fixture.header(fixture.headerAt(), VIRTIO_BLK_T_IN, 0);
            for (int round = 0; round < 200; round++) {
                int before = fixture.ring.availIndex();
                for (int i = 0; i < 16; i++) {
                    fixture.ring.add(
                            Piece.readable(fixture.headerAt(), HEADER_SIZE),
                            Piece.writable(fixture.buffer + (long) BLOCK * (i % 8), BLOCK),
                            Piece.writable(fixture.statusAt(), 1));
                }
                fixture.kick(before);
                for (int i = 0; i < 16; i++) {
                    assertThat(fixture.ring.await().written()).isEqualTo(BLOCK + 1);
                }
            }
        }
    }

    @Test
    void pinsTheDriversMemoryUntilTheDriverIsGone() throws IOException {
        Path file = directory.resolve("disk.img");
        Files.write(file, new byte[BLOCK * BLOCKS]);
        FileBackend pinning = open(file);
        pinning.pinMemory();
        try (DiskFixture fixture = new DiskFixture(pinning, builder -> builder.poll(QueuePolling.ALWAYS))) {
            fixture.start(ALL_FEATURES);
            for (int i = 0; i < BLOCKS; i++) {
                fixture.memory.fill(fixture.buffer, BLOCK, i + 1);
                assertThat(fixture.write(8L * i, fixture.buffer, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
                fixture.memory.fill(fixture.buffer, BLOCK, 0);
                assertThat(fixture.read(8L * i, fixture.buffer, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
                assertThat(fixture.memory.get(fixture.buffer, BLOCK)).containsOnly((byte) (i + 1));
            }
            assertThat(pinning.describe()).contains("16 MiB pinned");
            fixture.disk.function().detachDma();
            assertThat(pinning.describe()).contains(", pin)");
            fixture.disk.function().attachDma(fixture.memory.space());
            assertThat(fixture.read(0, fixture.buffer, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(pinning.describe()).contains("16 MiB pinned");
        }
    }

    private static FileBackend open(Path file) {
        return FileBackend.open(file, false, FileIoMode.AUTO);
    }
}
