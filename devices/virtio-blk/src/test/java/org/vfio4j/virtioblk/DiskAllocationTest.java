package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.DISK_BYTES;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;

import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.Mapping;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.virtio.testing.DriverRing.Piece;

/** Once warm, requests allocate nothing on the queue thread. */
class DiskAllocationTest {

    private static final int REQUESTS = 50_000;

    /** What the runtime itself may take now and then, as for a compiled method's metadata: far less than a byte a request. */
    private static final long NOISE_BYTES = 4096;

    @Test
    void requestsAllocateNothing() {
        assertAllocatesNothing("counted", builder -> builder);
    }

    /** The limits are charged, and higher than what the disk does. */
    @Test
    void norDoLimits() {
        assertAllocatesNothing("counted", builder -> builder.limits(Integer.MAX_VALUE, 1L << 50));
    }

    @Test
    void norDoSeveralThreads() {
        assertAllocatesNothing("counted-0", builder -> builder.queues(2).threads(2));
    }

    /** What is in flight is noted for another process. */
    @Test
    void norDoNotes() {
        try (DiskFixture fixture = new DiskFixture(
                new MemoryBackend(DISK_BYTES),
                builder -> builder.name("noted").poll(QueuePolling.ALWAYS).slowNs(Long.MAX_VALUE))) {
            FunctionJournal journal =
                    fixture.disk.function().platform(FunctionJournal.class).orElseThrow();
            try (Mapping kept = Mapping.anonymous(journal.sizeBytes())) {
                journal.recover(kept.address());
                fixture.start(ALL_FEATURES);
                assertAllocatesNothing("noted", fixture);
                fixture.driver.reset();
            }
        }
    }

    private static void assertAllocatesNothing(String threadName, UnaryOperator<VirtioBlk.Builder> options) {
        try (DiskFixture fixture = new DiskFixture(
                new MemoryBackend(DISK_BYTES),
                // On a machine that is busy some take long, and each of those is an event.
                builder -> options.apply(
                        builder.name("counted").poll(QueuePolling.ALWAYS).slowNs(Long.MAX_VALUE)))) {
            fixture.start(ALL_FEATURES);
            assertAllocatesNothing(threadName, fixture);
        }
    }

    private static void assertAllocatesNothing(String threadName, DiskFixture fixture) {
        long to = fixture.memory.mapped(4096);
        readMany(fixture, to);
        Thread thread = ThreadUse.threadNamed(threadName);
        long before = ThreadUse.allocatedBytes(thread);
        readMany(fixture, to);
        assertThat(ThreadUse.allocatedBytes(thread) - before).isLessThan(NOISE_BYTES);
    }

    private static void readMany(DiskFixture fixture, long to) {
        for (int i = 0; i < REQUESTS; i++) {
            fixture.submit(VIRTIO_BLK_T_IN, i % 1024, Piece.writable(to, 4096));
            fixture.ring.await();
        }
    }
}
