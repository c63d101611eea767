package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueueStatistics;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.vfio.IoasLogging;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/** A log of a controller's writes names the pages of data, of completion queues and of event indices, and no others. */
class NvmeDirtyLogTest {

    private static final int PAGE = 4096;
    private static final Range ALL = new Range(GuestMemory.BASE, 32 << 20);

    private final IoasLogging logging = new IoasLogging();

    @Test
    void readsMarkTheirDataAndTheirCompletion() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            readAtRandom(fixture, fixture.pages(8), fixture.pages(1));
        }
    }

    @Test
    void readsIntoMemoryThatIsNotMappedToo() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            readAtRandom(fixture, fixture.remotePages(8), fixture.remotePages(1));
        }
    }

    @Test
    void completionsInMemoryThatIsNotMappedToo() {
        try (NvmeFixture fixture = new NvmeFixture().start(true)) {
            readAtRandom(fixture, fixture.pages(8), fixture.pages(1));
        }
    }

    @Test
    void writesAndFailuresMarkTheirCompletionAlone() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            long page = fixture.pages(2);
            startLog(fixture);
            assertThat(fixture.io(WRITE, 0, 8, page, 0).status()).isZero();
            assertDirty(List.of(fixture.io.cq()));
            assertThat(fixture.io(READ, NvmeFixture.DISK_BYTES, 8, page, 0).status()).isNotZero();
            assertDirty(List.of(fixture.io.cq()));
            assertThat(fixture.io(VERIFY, 0, 8, 0, 0).status()).isZero();
            assertDirty(List.of(fixture.io.cq()));
        }
    }

    @Test
    void dataOfAdminCommandsAndTheirCompletion() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            long page = fixture.pages(2);
            startLog(fixture);
            assertThat(fixture.admin.run(new NvmeCommand(IDENTIFY).prp(page)).status()).isZero();
            assertDirty(List.of(page, fixture.admin.cq()));
        }
    }

    @Test
    void shadowDoorbellsAndEventIndices() {
        try (NvmeFixture fixture = new NvmeFixture().start()) {
            long shadow = fixture.pages(1);
            long events = fixture.pages(1);
            startLog(fixture);
            assertThat(fixture.admin.run(new NvmeCommand(DOORBELL_BUFFER).prp(shadow, events)).status())
                    .isZero();
            assertDirty(List.of(shadow, events, fixture.admin.cq()));
        }
    }

    /** A driver that consumes each entry at once may have had a whole round of them before the controller tells of any. */
    @Test
    void aCompletionQueueThatWentRoundOnceIsDirty() {
        try (NvmeFixture fixture = new NvmeFixture();
                DmaWindow window = fixture.memory.space().openWindow()) {
            long at = fixture.pages(2);
            startLog(fixture);
            window.enter();
            CompletionQueue queue = new CompletionQueue(1, at, 256, 0, false, statistics());
            assertThat(queue.locate(window)).isTrue();
            for (int i = 0; i < 256; i++) {
                queue.reserved++;
                queue.post(0, 1, 0, i, 0);
                assertThat(queue.consume((i + 1) % 256)).isTrue();
            }
            queue.markDirty(window);
            assertThat(report()).containsExactly(at / PAGE);
            queue.markDirty(window);
            assertThat(report()).isEmpty();
            window.leave();
        }
    }

    private static QueueStatistics statistics() {
        return new DeviceRecorder("x", 1, Long.MAX_VALUE, () -> 0).queue(0);
    }

    private void readAtRandom(NvmeFixture fixture, long buffer, long list) {
        Random random = new Random(1126);
        startLog(fixture);
        for (int round = 0; round < 60; round++) {
            int offset = 4 * random.nextInt(1024);
            int blocks = 1 + random.nextInt(8);
            int bytes = blocks * NvmeFixture.BLOCK;
            TreeSet<Long> pages = new TreeSet<>();
            for (long at = buffer + offset; at < buffer + offset + bytes; at += 4) {
                pages.add(at & -PAGE);
            }
            long second = pages.size() > 1 ? pages.last() : 0;
            assertThat(fixture.io(READ, random.nextInt(1000), blocks, buffer + offset, second).status())
                    .isZero();
            List<Long> expected = new ArrayList<>(pages);
            expected.add(fixture.io.cq());
            assertDirty(expected);
        }
        // With a list, whose page the controller reads only.
        long[] entries = {buffer + PAGE, buffer + 3 * PAGE, buffer + 5 * PAGE};
        byte[] bytes = new byte[entries.length * Long.BYTES];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (entries[i / Long.BYTES] >>> (Byte.SIZE * (i % Long.BYTES)));
        }
        fixture.memory.put(list, bytes);
        assertThat(fixture.io(READ, 0, 32, buffer, list).status()).isZero();
        assertDirty(List.of(buffer, entries[0], entries[1], entries[2], fixture.io.cq()));
    }

    private void startLog(NvmeFixture fixture) {
        logging.attach(fixture.memory.space());
        assertThat(logging.start(List.of(), PAGE)).isEqualTo(PAGE);
        report();
    }

    /** These pages are reported and no others; completion queues a moment after the completion is seen. */
    private void assertDirty(List<Long> addresses) {
        TreeSet<Long> expected = new TreeSet<>();
        addresses.forEach(address -> expected.add(address / PAGE));
        TreeSet<Long> dirty = report();
        NvmeDriver.await("all that was written is dirty", () -> {
            dirty.addAll(report());
            return dirty.containsAll(expected);
        });
        assertThat(dirty).isEqualTo(expected);
    }

    private TreeSet<Long> report() {
        TreeSet<Long> dirty = new TreeSet<>();
        logging.readAndClear(ALL, page -> dirty.add(page / PAGE));
        return dirty;
    }
}
