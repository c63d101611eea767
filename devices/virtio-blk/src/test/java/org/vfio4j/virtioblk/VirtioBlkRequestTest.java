package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.virtio.testing.DriverRing.Piece;

/** Virtual I/O Device 1.2, 5.2.6: device operation. Each rule holds in mapped memory and in memory behind messages. */
class VirtioBlkRequestTest {

    private static final int BLOCK = 4096;

    private DiskFixture fixture = new DiskFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesSectorsPastTheEnd(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long data = buffer(remote, BLOCK);
        long end = DISK_BYTES / SECTOR_SIZE;
        assertThat(fixture.read(end - 8, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.read(end - 7, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.read(-1L, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.write(Long.MAX_VALUE / SECTOR_SIZE, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.write(Long.MIN_VALUE, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.disk.counters().errors()).isEqualTo(4);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesPartsOfSectors(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        assertThat(fixture.read(0, buffer(remote, BLOCK), 100)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.write(0, buffer(remote, BLOCK), 513)).isEqualTo(VIRTIO_BLK_S_IOERR);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void answersUnknownTypesWithUnsupp(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        assertThat(fixture.request(2, 0)).isEqualTo(VIRTIO_BLK_S_UNSUPP);
        assertThat(fixture.request(0x8000_0000, 0)).isEqualTo(VIRTIO_BLK_S_UNSUPP);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesBuffersOutsideMemory(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        assertThat(fixture.read(0, fixture.memory.end() - 512, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.write(0, 0x1000, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.write(0, -4096L, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
    }

    @Test
    void refusesWritesToAReadOnlyDisk() {
        fixture.close();
        fixture = new DiskFixture(new MemoryBackend(DISK_BYTES), VirtioBlk.Builder::readOnly);
        fixture.start(ALL_FEATURES);
        long data = buffer(false, BLOCK);
        assertThat(fixture.write(0, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.request(VIRTIO_BLK_T_DISCARD, 0, range(0, 8, 0, false)))
                .isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.read(0, data, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.request(VIRTIO_BLK_T_FLUSH, 0)).isEqualTo(VIRTIO_BLK_S_OK);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void readsWhatWasWritten(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long from = buffer(remote, BLOCK);
        long to = buffer(remote, BLOCK);
        byte[] text = new byte[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
            text[i] = (byte) (i * 7);
        }
        fixture.memory.put(from, text);
        assertThat(fixture.write(24, from, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.read(24, to, BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.memory.get(to, BLOCK)).isEqualTo(text);
        BlkCounters counters = fixture.disk.counters();
        assertThat(counters.reads()).isEqualTo(1);
        assertThat(counters.writtenBytes()).isEqualTo(BLOCK);
        assertThat(counters.slow()).isEqualTo(remote ? 2 : 0);
    }

    @Test
    void saysHowMuchItWrote() {
        fixture.start(ALL_FEATURES);
        long data = buffer(false, BLOCK);
        fixture.submit(VIRTIO_BLK_T_IN, 0, Piece.writable(data, BLOCK));
        fixture.driver.notifyQueue(0);
        assertThat(fixture.ring.await().written()).isEqualTo(BLOCK + 1);
        fixture.submit(VIRTIO_BLK_T_OUT, 0, Piece.readable(data, BLOCK));
        fixture.driver.notifyQueue(0);
        assertThat(fixture.ring.await().written()).isEqualTo(1);
    }

    /** 2.7.4: the device makes no assumptions on how pieces are laid out. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void takesAnyLayout(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long out = buffer(remote, HEADER_SIZE + 1024);
        long in = buffer(remote, 1025);
        fixture.header(out, VIRTIO_BLK_T_OUT, 8);
        fixture.memory.fill(out + HEADER_SIZE, 1024, 0x5a);
        // Header and data in one piece, and then the header in three.
        fixture.ring.add(Piece.readable(out, HEADER_SIZE + 1024), Piece.writable(fixture.statusAt(), 1));
        fixture.driver.notifyQueue(0);
        fixture.ring.await();
        assertThat(fixture.status()).isEqualTo(VIRTIO_BLK_S_OK);
        fixture.header(out, VIRTIO_BLK_T_IN, 8);
        fixture.ring.add(
                Piece.readable(out, 3),
                Piece.readable(out + 3, 1),
                Piece.readable(out + 4, 12),
                Piece.writable(in, 1),
                Piece.writable(in + 1, 1023),
                Piece.writable(in + 1024, 1));
        fixture.driver.notifyQueue(0);
        assertThat(fixture.ring.await().written()).isEqualTo(1025);
        assertThat(fixture.memory.get(in + 1024, 1)[0]).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.memory.get(in, 1024)).containsOnly(0x5a);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void takesIndirectTables(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long data = buffer(remote, BLOCK);
        long table = buffer(remote, 64 * 16);
        fixture.header(fixture.headerAt(), VIRTIO_BLK_T_IN, 0);
        fixture.memory.fill(data, BLOCK, 1);
        Piece[] pieces = new Piece[10];
        pieces[0] = Piece.readable(fixture.headerAt(), HEADER_SIZE);
        for (int i = 0; i < 8; i++) {
            pieces[1 + i] = Piece.writable(data + 512L * i, 512);
        }
        pieces[9] = Piece.writable(fixture.statusAt(), 1);
        fixture.ring.addIndirect(table, pieces);
        fixture.driver.notifyQueue(0);
        assertThat(fixture.ring.await().written()).isEqualTo(BLOCK + 1);
        assertThat(fixture.memory.get(data, BLOCK)).containsOnly(0);
    }

    @Test
    void servesRequestsThatMixMemories() {
        fixture.start(ALL_FEATURES);
        long near = buffer(false, 512);
        long far = buffer(true, 512);
        fixture.memory.fill(near, 512, 3);
        fixture.memory.fill(far, 512, 4);
        assertThat(fixture.request(VIRTIO_BLK_T_OUT, 2, Piece.readable(near, 512), Piece.readable(far, 512)))
                .isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.request(VIRTIO_BLK_T_IN, 2, Piece.writable(far, 512), Piece.writable(near, 512)))
                .isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.memory.get(far, 512)).containsOnly(3);
        assertThat(fixture.memory.get(near, 512)).containsOnly(4);
    }

    @Test
    void movesMoreThanTheBounceBuffer() {
        fixture.start(ALL_FEATURES);
        int bytes = 3 << 20;
        long far = buffer(true, bytes);
        fixture.memory.fill(far, bytes, 9);
        byte[] written = fixture.memory.get(far, bytes);
        assertThat(fixture.write(0, far, bytes)).isEqualTo(VIRTIO_BLK_S_OK);
        fixture.memory.fill(far, bytes, 0);
        assertThat(fixture.read(0, far, bytes)).isEqualTo(VIRTIO_BLK_S_OK);
        assertThat(fixture.memory.get(far, bytes)).isEqualTo(written);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void tellsItsSerialNumber(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long data = buffer(remote, VIRTIO_BLK_ID_BYTES);
        fixture.memory.fill(data, VIRTIO_BLK_ID_BYTES, 0xff);
        assertThat(fixture.request(VIRTIO_BLK_T_GET_ID, 0, Piece.writable(data, VIRTIO_BLK_ID_BYTES)))
                .isEqualTo(VIRTIO_BLK_S_OK);
        String serial = new String(fixture.memory.get(data, VIRTIO_BLK_ID_BYTES), StandardCharsets.US_ASCII);
        assertThat(serial).isEqualTo("SN-0123456789" + "\0".repeat(7));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesIllegalRanges(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        long end = DISK_BYTES / SECTOR_SIZE;
        int discard = VIRTIO_BLK_T_DISCARD;
        int zeroes = VIRTIO_BLK_T_WRITE_ZEROES;
        assertThat(fixture.request(discard, 0)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.request(discard, 0, range(0, 8, 1, remote))).isEqualTo(VIRTIO_BLK_S_UNSUPP);
        assertThat(fixture.request(zeroes, 0, range(0, 8, 2, remote))).isEqualTo(VIRTIO_BLK_S_UNSUPP);
        assertThat(fixture.request(discard, 0, range(end - 7, 8, 0, remote))).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.request(zeroes, 0, range(0, -1, 0, remote))).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.request(zeroes, 0, range(-1, 8, 0, remote))).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertThat(fixture.request(zeroes, 0, Piece.readable(buffer(remote, 17), 17)))
                .isEqualTo(VIRTIO_BLK_S_IOERR);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void clearsRanges(boolean remote) {
        fixture.start(ALL_FEATURES, remote);
        for (int type : new int[] {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES}) {
            long data = buffer(remote, 3 * BLOCK);
            fixture.memory.fill(data, 3 * BLOCK, 7);
            assertThat(fixture.write(0, data, 3 * BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
            // Two ranges in one request: the first and the third block.
            long ranges = buffer(remote, 2 * RANGE_SIZE);
            fixture.memory.put(ranges, encoded(0, 8, 0));
            fixture.memory.put(ranges + RANGE_SIZE, encoded(16, 8, 0));
            assertThat(fixture.request(type, 0, Piece.readable(ranges, 2 * RANGE_SIZE)))
                    .isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(fixture.read(0, data, 3 * BLOCK)).isEqualTo(VIRTIO_BLK_S_OK);
            assertThat(fixture.memory.get(data, BLOCK)).containsOnly(0);
            assertThat(fixture.memory.get(data + BLOCK, BLOCK)).containsOnly(7);
            assertThat(fixture.memory.get(data + 2 * BLOCK, BLOCK)).containsOnly(0);
        }
    }

    private long buffer(boolean remote, int bytes) {
        return remote ? fixture.memory.remote(bytes) : fixture.memory.mapped(bytes);
    }

    private Piece range(long sector, int sectors, int flags, boolean remote) {
        long at = buffer(remote, RANGE_SIZE);
        fixture.memory.put(at, encoded(sector, sectors, flags));
        return Piece.readable(at, RANGE_SIZE);
    }

    private static byte[] encoded(long sector, int sectors, int flags) {
        return ByteBuffer.allocate(RANGE_SIZE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(sector)
                .putInt(sectors)
                .putInt(flags)
                .array();
    }
}
