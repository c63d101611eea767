package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.DiskFixture.GUEST_BYTES;
import static org.vfio4j.virtioblk.DiskFixture.NO_EVENT_INDEX;
import static org.vfio4j.virtioblk.DiskFixture.QUEUE_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.vfio.IoasLogging;
import org.vfio4j.vfio.VfioLoggingOps.Range;
import org.vfio4j.virtio.VirtioRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/** A log of a disk's writes names the pages of its data, its status bytes and its used ring, and no others. */
class DiskDirtyLogTest {

    private static final int PAGE = 4096;
    private static final Range ALL = new Range(GuestMemory.BASE, 2 * GUEST_BYTES);

    private final IoasLogging logging = new IoasLogging();
    private DiskFixture fixture = new DiskFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void readsMarkWhatTheyWrite(boolean eventIndex) {
        fixture.start(eventIndex ? ALL_FEATURES : NO_EVENT_INDEX);
        readAtRandom(fixture.buffer);
    }

    @Test
    void readsByMessagesMarkWhatTheyWrite() {
        fixture.start(ALL_FEATURES, true);
        readAtRandom(fixture.memory.remote(1 << 16));
    }

    @Test
    void aReadThatFailsMarksItsStatus() {
        fixture.start(ALL_FEATURES);
        startLog();
        assertThat(fixture.read(DISK_BYTES, fixture.buffer, 512)).isEqualTo(VIRTIO_BLK_S_IOERR);
        assertDirty(pages(Piece.writable(fixture.statusAt(), 1)));
    }

    @Test
    void otherRequestsMarkTheirStatus() {
        fixture.start(ALL_FEATURES);
        startLog();
        assertThat(fixture.write(0, fixture.buffer, 8192)).isEqualTo(VIRTIO_BLK_S_OK);
        assertDirty(pages(Piece.writable(fixture.statusAt(), 1)));
        assertThat(fixture.request(VIRTIO_BLK_T_FLUSH, 0)).isEqualTo(VIRTIO_BLK_S_OK);
        assertDirty(pages(Piece.writable(fixture.statusAt(), 1)));
    }

    @Test
    void loggedRequestsAllocateNothing() {
        fixture.close();
        fixture = new DiskFixture(
                new MemoryBackend(DISK_BYTES), builder -> builder.name("logged").poll(QueuePolling.ALWAYS));
        fixture.start(ALL_FEATURES);
        startLog();
        readMany();
        Thread thread = ThreadUse.threadNamed("logged");
        long before = ThreadUse.allocatedBytes(thread);
        readMany();
        assertThat(ThreadUse.allocatedBytes(thread) - before).isLessThan(PAGE);
    }

    private void readMany() {
        for (int i = 0; i < 50_000; i++) {
            fixture.submit(VIRTIO_BLK_T_IN, i % 1024, Piece.writable(fixture.buffer, PAGE));
            fixture.ring.await();
        }
    }

    private void readAtRandom(long buffer) {
        Random random = new Random(1126);
        startLog();
        for (int round = 0; round < 100; round++) {
            List<Piece> pieces = new ArrayList<>();
            int left = 512 * (1 + random.nextInt(16));
            while (left > 0) {
                int length = pieces.size() == 5 ? left : 1 + random.nextInt(left);
                pieces.add(Piece.writable(buffer + random.nextInt((1 << 16) - length), length));
                left -= length;
            }
            assertThat(fixture.request(VIRTIO_BLK_T_IN, random.nextInt(1024), pieces.toArray(Piece[]::new)))
                    .isEqualTo(VIRTIO_BLK_S_OK);
            pieces.add(Piece.writable(fixture.statusAt(), 1));
            assertDirty(pages(pieces.toArray(Piece[]::new)));
        }
    }

    private void startLog() {
        logging.attach(fixture.memory.space());
        assertThat(logging.start(List.of(), PAGE)).isEqualTo(PAGE);
    }

    /** These pages are reported and nothing but them and the used ring, whose index is marked a moment after it is seen. */
    private void assertDirty(TreeSet<Long> expected) {
        TreeSet<Long> ring = pages(Piece.writable(fixture.ring.used(), VirtioRing.availEventAt(QUEUE_SIZE) + 2));
        TreeSet<Long> dirty = report();
        assertThat(dirty).containsAll(expected);
        VirtioDriver.await("the used ring is dirty", () -> {
            dirty.addAll(report());
            return dirty.contains(ring.first());
        });
        dirty.removeAll(expected);
        assertThat(ring).containsAll(dirty);
    }

    private TreeSet<Long> report() {
        TreeSet<Long> dirty = new TreeSet<>();
        logging.readAndClear(ALL, page -> dirty.add(page / PAGE));
        return dirty;
    }

    private static TreeSet<Long> pages(Piece... pieces) {
        TreeSet<Long> pages = new TreeSet<>();
        for (Piece piece : pieces) {
            for (long page = piece.address() / PAGE; page <= (piece.address() + piece.length() - 1) / PAGE; page++) {
                pages.add(page);
            }
        }
        return pages;
    }
}
